"""Several models for one outcome: all are judged by what they said before they knew, the best one serves."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ubi_stream.models.arrays import FloatArray
from ubi_stream.models.drift.losses import LossMoved, LossWatch, PackLossWatch, Worsened
from ubi_stream.models.outcomes.candidate import Candidate
from ubi_stream.models.outcomes.champion import Choice, Duel, log_loss

_UNKNOWN: Final = math.nan


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a panel says of rows: `told` is calibrated, NaN while warming up; `raw` is the champion's own figure."""

    raw: FloatArray
    told: FloatArray

    def of(self, rows: Sequence[int]) -> Prediction:
        """Those of some of the rows."""
        return Prediction(self.raw[list(rows)], self.told[list(rows)])


class OutcomePanel:
    """The candidates for one outcome, and which of them serves.

    All predictions are made before the label is known: `ask` returns them as bytes, to be kept with the question, and
    `learn` takes them back. So quality, calibration and the choice of the champion rest on nothing that was learned in
    between. The first candidate serves until another has been better, by evidence.

    Parameters
    ----------
    outcome
        Its name.
    candidates
        At least one; the first serves at the start.
    watches
        Further detectors over the losses of what was told.

    Attributes
    ----------
    champion
        Position of the candidate that serves.
    n_labels, n_late
        Labels learned, and those of them that contradict what time had answered before.

    Examples
    --------
    >>> from ubi_stream.models.registry import Recipe
    >>> names = ("depth",)
    >>> panel = OutcomePanel("buys", [Candidate("line", Recipe("line", names), names, min_labels=20)])
    >>> for number in range(200):
    ...     row = np.array([number % 10.0])
    ...     asked = panel.ask(row[np.newaxis], [number])[0]
    ...     panel.learn(row, number % 10 > 6, asked=asked, question=number)
    >>> low, high = panel.predict_many(np.array([[1.0], [9.0]])).told
    >>> bool(low < 0.3 < 0.7 < high)
    True
    """

    def __init__(self, outcome: str, candidates: Sequence[Candidate], watches: Sequence[PackLossWatch] = ()) -> None:
        self.outcome = outcome
        self.candidates = tuple(candidates)
        self.champion = 0
        self.n_labels = 0
        self.n_late = 0
        self._choice: Choice | None = None
        self._announced = False
        self.watches = tuple(watches)
        self._losses: tuple[LossWatch | PackLossWatch, ...] = (LossWatch(), *self.watches)
        self._moved: list[LossMoved] = []
        self._last = _UNKNOWN  # the newest label learned: 0, 1 or NaN

    @property
    def serving(self) -> Candidate:
        """The candidate that serves."""
        return self.candidates[self.champion]

    @property
    def n_seen(self) -> int:
        """Labels that the champion has learned from."""
        return self.serving.n_seen

    @property
    def warm_up(self) -> bool:
        """Whether the champion still abstains."""
        return self.serving.warm_up

    def predict(self, row: FloatArray) -> float | None:
        """Return the probability for a row of shape (F,); None while warming up."""
        told = float(self.predict_many(row[np.newaxis]).told[0])
        return None if math.isnan(told) else told

    def predict_many(self, rows: FloatArray) -> Prediction:
        """Predict for rows of shape (n, F), among which nothing is learned; not computed while warming up."""
        if self.warm_up or not len(rows):
            nothing = np.full(len(rows), math.nan)
            return Prediction(nothing, nothing)
        raw = self.serving.score_many(rows)
        return Prediction(raw, self.serving.told(raw))

    def ask(self, rows: FloatArray, questions: Sequence[int], known: Prediction | None = None) -> list[bytes]:
        """Have every candidate predict for rows that became questions.

        Parameters
        ----------
        questions
            Id of each row's question: it decides which of the shadows are asked.
        known
            What `predict_many` gave for these rows, to spare doing it again.

        Returns
        -------
        For each row 32-bit floats: the newest label known, then of each candidate its own figure and the calibrated
        one, NaN where it was not asked or is warming up. Keep them until the label comes.
        """
        nothing = [self._last] + [math.nan] * (2 * len(self.candidates))
        said = [array("f", nothing) for _ in questions]
        for place, candidate in enumerate(self.candidates):
            serves = place == self.champion
            asked = [row for row, question in enumerate(questions) if serves or candidate.takes(question)]
            if not asked:
                continue
            if serves and known is not None and not self.warm_up:
                raw, told = known.raw, known.told
            else:
                raw = candidate.score_many(rows if len(asked) == len(rows) else rows[asked])
                told = candidate.told(raw)
            for row, *figures in zip(asked, raw.tolist(), told.tolist(), strict=True):
                said[row][1 + 2 * place], said[row][2 + 2 * place] = figures
        return [row.tobytes() for row in said]

    def learn(
        self,
        row: FloatArray,
        positive: bool,
        weight: float = 1.0,
        *,
        asked: bytes | None = None,
        question: int | None = None,
        delay_s: float = 0.0,
        late: bool = False,
    ) -> None:
        """Learn the label of a question.

        Parameters
        ----------
        row
            Features as they were when it was asked, shape (F,).
        asked
            What `ask` returned; None where it was lost, or belongs to another set of candidates: then the label is
            learned from, and nothing is judged by it.
        question
            Id of the question; None for a person's label, which every candidate learns.
        delay_s
            From the question to its label.
        late
            Whether time had given another answer before.
        """
        last, said = self._read(asked)
        champion = said[self.champion][1]
        if not math.isnan(champion):
            loss = log_loss(champion, positive)
            self._moved.extend(moved for watch in self._losses if (moved := watch.update(loss)))
        for place, (candidate, (raw, told)) in enumerate(zip(self.candidates, said, strict=True)):
            candidate.quality.update(told, positive, last=last, delay_s=delay_s)
            if place != self.champion and not (math.isnan(told) or math.isnan(champion)):
                candidate.duel.add(log_loss(told, positive), log_loss(champion, positive))
            if place == self.champion or question is None or candidate.takes(question):
                candidate.learn(row, positive, weight, raw, told)
        self.n_labels += 1
        self.n_late += late
        self._last = float(positive)
        self._choice = self._choose() or self._choice

    def take_choice(self) -> Choice | None:
        """Return the choice, once, if another candidate serves since it was last asked, or the first one begins to."""
        choice, self._choice = self._choice, None
        return choice

    def take_worsened(self, *, switched: bool) -> list[Worsened]:
        """Return, once, by which detectors what was told is worse than before; `switched` if another serves now."""
        moved, self._moved = self._moved, []
        return [Worsened(self.outcome, one.before, one.after, switched, one.detector) for one in moved if one.worse]

    def _read(self, asked: bytes | None) -> tuple[bool | None, list[tuple[float, float]]]:
        n = len(self.candidates)
        if asked is None or len(asked) != 4 * (1 + 2 * n):
            return None, [(math.nan, math.nan)] * n
        last, *said = np.frombuffer(asked, dtype=np.float32).astype(np.float64).tolist()
        return None if math.isnan(last) else last > 0.5, list(zip(said[::2], said[1::2], strict=True))

    def _choose(self) -> Choice | None:
        """Let the best of those that won take over; ties go to the first."""
        if not self._announced and not self.warm_up:
            self._announced = True
            return Choice(self.outcome, self.serving.name, None, None, None, self.n_seen)
        won = [place for place, candidate in enumerate(self.candidates) if candidate.duel.is_won]
        if not won:
            return None
        best = max(won, key=lambda place: (self.candidates[place].duel.z, -place))
        before, after = self.serving, self.candidates[best]
        loss, loss_before = after.duel.losses
        others = {c.name: c.duel.losses[0] for c in self.candidates if c is not after and c.duel.n}
        choice = Choice(self.outcome, after.name, before.name, loss, loss_before, after.duel.n, others)
        self.champion = best
        for candidate in self.candidates:
            candidate.duel = Duel()
        return choice

"""Several models for one outcome: all are judged by what they said before they knew, the best one serves."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ubi_stream.arrays import FloatArray
from ubi_stream.models.drift.losses import LossMoved, LossWatch, PackLossWatch, Worsened
from ubi_stream.models.outcomes.candidate import Candidate
from ubi_stream.models.outcomes.champion import ChampionChoice, PairedLossTest, log_loss

_UNKNOWN: Final = math.nan


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a panel predicts for rows: `delivered` is calibrated, NaN while warming up; `raw` is the champion's own."""

    raw: FloatArray
    delivered: FloatArray

    def of(self, rows: Sequence[int]) -> Prediction:
        """Those of some of the rows."""
        return Prediction(self.raw[list(rows)], self.delivered[list(rows)])


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
    ...     panel.learn(row, number % 10 > 6, asked=asked, pending=number)
    >>> low, high = panel.predict_many(np.array([[1.0], [9.0]])).delivered
    >>> bool(low < 0.3 < 0.7 < high)
    True
    """

    def __init__(self, outcome: str, candidates: Sequence[Candidate], watches: Sequence[PackLossWatch] = ()) -> None:
        self.outcome = outcome
        self.candidates = tuple(candidates)
        self.champion = 0
        self.n_labels = 0
        self.n_late = 0
        self._choice: ChampionChoice | None = None
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
        delivered = float(self.predict_many(row[np.newaxis]).delivered[0])
        return None if math.isnan(delivered) else delivered

    def predict_many(self, rows: FloatArray) -> Prediction:
        """Predict for rows of shape (n, F), among which nothing is learned; not computed while warming up."""
        if self.warm_up or not len(rows):
            nothing = np.full(len(rows), math.nan)
            return Prediction(nothing, nothing)
        raw = self.serving.score_many(rows)
        return Prediction(raw, self.serving.delivered(raw))

    def ask(self, rows: FloatArray, pending_predictions: Sequence[int], known: Prediction | None = None) -> list[bytes]:
        """Have every candidate predict for rows that became questions.

        Parameters
        ----------
        pending_predictions
            Id of each row's question: it decides which of the shadows are asked.
        known
            What `predict_many` gave for these rows, to spare doing it again.

        Returns
        -------
        For each row 32-bit floats: the newest label known, then of each candidate its own figure and the calibrated
        one, NaN where it was not asked or is warming up. Keep them until the label comes.
        """
        nothing = [self._last] + [math.nan] * (2 * len(self.candidates))
        predicted = [array("f", nothing) for _ in pending_predictions]
        for place, candidate in enumerate(self.candidates):
            serves = place == self.champion
            asked = [row for row, pending in enumerate(pending_predictions) if serves or candidate.takes(pending)]
            if not asked:
                continue
            if serves and known is not None and not self.warm_up:
                raw, delivered = known.raw, known.delivered
            else:
                raw = candidate.score_many(rows if len(asked) == len(rows) else rows[asked])
                delivered = candidate.delivered(raw)
            for row, *figures in zip(asked, raw.tolist(), delivered.tolist(), strict=True):
                predicted[row][1 + 2 * place], predicted[row][2 + 2 * place] = figures
        return [row.tobytes() for row in predicted]

    def learn(
        self,
        row: FloatArray,
        positive: bool,
        weight: float = 1.0,
        *,
        asked: bytes | None = None,
        pending: int | None = None,
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
        pending
            Id of the question; None for a person's label, which every candidate learns.
        delay_s
            From the question to its label.
        late
            Whether time had given another answer before.
        """
        last, predicted = self._read(asked)
        champion = predicted[self.champion][1]
        if not math.isnan(champion):
            loss = log_loss(champion, positive)
            self._moved.extend(moved for watch in self._losses if (moved := watch.update(loss)))
        for place, (candidate, (raw, delivered)) in enumerate(zip(self.candidates, predicted, strict=True)):
            candidate.quality.update(delivered, positive, last=last, delay_s=delay_s)
            if place != self.champion and not (math.isnan(delivered) or math.isnan(champion)):
                candidate.paired_test.add(log_loss(delivered, positive), log_loss(champion, positive))
            if place == self.champion or pending is None or candidate.takes(pending):
                candidate.learn(row, positive, weight, raw, delivered)
        self.n_labels += 1
        self.n_late += late
        self._last = float(positive)
        self._choice = self._choose() or self._choice

    def take_choice(self) -> ChampionChoice | None:
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
        last, *predicted = np.frombuffer(asked, dtype=np.float32).astype(np.float64).tolist()
        return None if math.isnan(last) else last > 0.5, list(zip(predicted[::2], predicted[1::2], strict=True))

    def _choose(self) -> ChampionChoice | None:
        """Let the best of those that won take over; ties go to the first."""
        if not self._announced and not self.warm_up:
            self._announced = True
            return ChampionChoice(self.outcome, self.serving.name, None, None, None, self.n_seen)
        won = [place for place, candidate in enumerate(self.candidates) if candidate.paired_test.is_won]
        if not won:
            return None
        best = max(won, key=lambda place: (self.candidates[place].paired_test.z, -place))
        before, after = self.serving, self.candidates[best]
        loss, loss_before = after.paired_test.losses
        others = {c.name: c.paired_test.losses[0] for c in self.candidates if c is not after and c.paired_test.n}
        choice = ChampionChoice(self.outcome, after.name, before.name, loss, loss_before, after.paired_test.n, others)
        self.champion = best
        for candidate in self.candidates:
            candidate.paired_test = PairedLossTest()
        return choice

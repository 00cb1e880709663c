"""One panel at work on one batch: rows are predicted, questions kept, labels learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ubi_stream.features.stage import Featurized, Matrix, unpack_kept
from ubi_stream.models.common.protocol import log_odds_of
from ubi_stream.models.outcomes.panel import OutcomePanel
from ubi_stream.models.outcomes.predictions import LikelyOutcome, OutcomeScores, Predictions, Standing
from ubi_stream.state.history import PredictionWhenAsked
from ubi_stream.state.pending import Opened
from ubi_stream.state.stage import StateChange


@dataclass(frozen=True, slots=True)
class Waiting:
    """An answer until its block ends.

    Attributes
    ----------
    row
        Features as they were when it was asked, not scaled, shape (features,).
    pending
        Id of the pending prediction.
    predicted
        What the models predicted then; None if that was lost.
    crossed, emitted
        Those of `PredictionWhenAsked`.
    delay_s
        From the question to its answer.
    late
        Whether time had given another answer before.
    """

    row: Matrix
    positive: bool
    pending: int
    predicted: bytes | None
    delay_s: float
    late: bool
    crossed: float = 0.0
    emitted: float = 0.0


@dataclass(frozen=True, slots=True)
class OutcomeRules:
    """What the pack says of an outcome: predictions kept of an entity, and from where on it is told of."""

    most: int
    bit: int | None
    by_event: bool
    tell_above: float | None


@dataclass(slots=True)
class PanelBatch:
    """One panel at work on one batch."""

    rules: OutcomeRules
    panel: OutcomePanel
    batch: Featurized
    changes: list[StateChange]
    asked: Mapping[int, Opened]
    waiting: list[Waiting]
    peers_at: Callable[[int], Matrix]
    found: Predictions
    scores: OutcomeScores = field(init=False)
    figures: dict[int, bytes] = field(default_factory=dict)
    high: dict[int, float] = field(default_factory=dict)  # by row, what may be emitted

    def __post_init__(self) -> None:
        self.scores = OutcomeScores(np.full(len(self.changes), np.nan))
        self.found.outcomes[self.panel.outcome] = self.scores

    def predict(self, start: int, stop: int) -> list[int]:
        """Predict for rows among which nothing is learned; all candidates for those that became questions.

        Returns
        -------
        Rows with a probability from which on the pack wants predictions.
        """
        if start >= stop:
            return []
        panel = self.panel
        serving = panel.serving
        self.scores.standings.append(
            Standing(start, serving.name, panel.n_seen, panel.warm_up, serving.gives_base_rate)
        )
        prediction = panel.predict_many(self.batch.scaled[start:stop])
        self.scores.delivered[start:stop] = prediction.delivered
        if rows := [row for row in range(start, stop) if row in self.asked]:
            pending_predictions = [self.asked[row].pending.id for row in rows]
            known = prediction.of([row - start for row in rows])
            self.figures.update(zip(rows, panel.ask(self.batch.scaled[rows], pending_predictions, known), strict=True))
        if self.rules.tell_above is not None and not (panel.warm_up or serving.gives_base_rate):
            high = np.flatnonzero(prediction.delivered >= self.rules.tell_above)
            emissions = serving.emissions(prediction.delivered[high]).tolist()
            found = {
                row: p for row, p in zip((high + start).tolist(), emissions, strict=True) if not self._is_true(row)
            }
            self.high.update(found)
            for row, probability in found.items():
                if probability >= self.rules.tell_above:
                    self._likely_of(row, probability)
            return list(found)
        return []

    def keep(self, row: int) -> None:
        """Keep with its entity what was said of a row, if it became a question, and whether it is high."""
        if (predicted := self.figures.get(row)) is not None:
            change, (pending, replaces) = self.changes[row], self.asked[row]
            history = change.state.history
            kept = PredictionWhenAsked(pending.id, predicted, self.batch.context[row].visit)
            history.keep_prediction(pending.outcome, kept, self.rules.most, replaces=replaces)
            self.found.asked.append(change.entity_id)
        if (emission := self.high.get(row)) is not None:
            self._mark(row, emission)

    def _mark(self, row: int, emission: float) -> None:
        """Keep the first probability of a visit that is high, and the first that is emitted: what comes tells of both.

        Where each event is asked about, each is judged by itself.
        """
        change, least = self.changes[row], self.rules.tell_above or 0.0
        predicted = change.state.history.said_in_visit(self.panel.outcome, self.batch.context[row].visit)
        if (
            predicted is None
            or (predicted.crossed and predicted.emitted)
            or (self.rules.by_event and row not in self.figures)
        ):
            return
        predicted.crossed = predicted.crossed or float(self.scores.delivered[row])
        predicted.emitted = predicted.emitted or (emission if emission >= least else 0.0)
        self.found.asked.append(change.entity_id)

    def answer(self, position: int, width: int) -> None:
        """Take in the answers of a moment, of rows with `width` features as the pack has now."""
        change = self.batch.changes[position]
        for answer in change.delayed_labels:
            pending = answer.pending
            if pending.outcome != self.panel.outcome or len(row := unpack_kept(answer.row)) != width:
                continue
            predicted = change.state.history.take_prediction(pending.outcome, pending.id)
            if predicted is not None:
                self.found.asked.append(change.entity_id)
            delay_s = (answer.at_ms - pending.asked_ms) / 1000.0
            waiting = Waiting(row, answer.positive, pending.id, None, delay_s, answer.late)
            if predicted is not None:
                waiting = replace(
                    waiting, predicted=predicted.figures, crossed=predicted.crossed, emitted=predicted.emitted
                )
            self.waiting.append(waiting)

    def learn(self, position: int) -> None:
        """Learn the answers of a block at its last moment, and note who serves from then on if that changes."""
        if not self.waiting:
            return
        rows = self.batch.scale(np.stack([answer.row for answer in self.waiting]))
        for row, answer in zip(rows, self.waiting, strict=True):
            self.panel.serving.learn_emission(answer.positive, crossed=answer.crossed, emitted=answer.emitted)
            self.panel.learn(
                row,
                answer.positive,
                asked=answer.predicted,
                pending=answer.pending,
                delay_s=answer.delay_s,
                late=answer.late,
            )
            choice = self.panel.take_choice()
            if choice is not None:
                self.found.choices.setdefault(position, []).append(choice)
            if worse := self.panel.take_worsened(switched=choice is not None):
                self.found.worsened.setdefault(position, []).extend(worse)
        self.waiting.clear()

    def _is_true(self, row: int) -> bool:
        """Whether the visit's outcome is known at the row: it is a yes."""
        return self.rules.bit is not None and bool(self.batch.context[row].hits >> self.rules.bit & 1)

    def _likely_of(self, row: int, probability: float) -> None:
        """Explain a row whose probability is high.

        Whether the entity was told lately is not known yet: what comes before in the batch is decided later.
        """
        batch, serving = self.batch, self.panel.serving
        usual = np.where(np.isnan(batch.usual[row]), self.peers_at(row), batch.usual[row])
        baseline = batch.scale(usual)
        scores = serving.score_many(np.stack((batch.scaled[row], baseline)))
        here, there = map(log_odds_of, scores.tolist())
        self.found.likely.setdefault(row, []).append(
            LikelyOutcome(
                self.panel.outcome,
                probability,
                here,
                there,
                serving.contributions(batch.scaled[row], baseline),
                bool(serving.model.describe().get("linear")),
            )
        )

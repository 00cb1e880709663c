"""Takes a person's label: moves thresholds, and teaches how likely an alert is confirmed, or an outcome's models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from ubi_stream.arrays import FloatArray
from ubi_stream.events.verdict import Label
from ubi_stream.features.stage import Labelled, Matrix, unpack_kept
from ubi_stream.ids import short_hash
from ubi_stream.models.feedback.confirmation import AlertPrecisionModel
from ubi_stream.models.feedback.thresholds import (
    OWN_HALF_LIFE_MS,
    OWN_LEAST,
    OWN_MOST,
    PEERS_HALF_LIFE,
    PEERS_STEP,
    AlertThresholds,
    PeersShift,
    faded,
    log_odds,
    moved,
    own_shift,
    shifted,
)
from ubi_stream.state.history import AppliedLabel, DeliveredInsight, InsightHistory
from ubi_stream.state.stage import StateChange

MOST_WEIGHT: Final = 20.0
"""Of a label that takes back another: both weights."""


class LabelStatus(StrEnum):
    """What became of a person's label."""

    LEARNED = "learned"
    RECORDED = "recorded"
    REPEATED = "repeated"
    CHANGED = "changed"
    UNKNOWN_INSIGHT = "unknown_insight"
    UNKNOWN_OUTCOME = "unknown_outcome"


class TeachablePanel(Protocol):
    """The models of one outcome, as far as labels need them."""

    def predict(self, row: FloatArray) -> float | None:
        """Probability that the outcome comes true; None while warming up."""
        ...

    def learn(self, row: FloatArray, positive: bool, weight: float = 1.0) -> None:
        """Learn what became of a row."""
        ...


@dataclass(frozen=True, slots=True)
class Shift:
    """A figure before and after a label; None where there is none."""

    before: float | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """What a person's label brought about.

    Attributes
    ----------
    outcome
        The outcome that it is about; None for an anomaly.
    probability
        That the alert is confirmed, or that the outcome comes true.
    threshold, peers_threshold
        What an anomaly's score of the entity, and of the others, must be above. Without figures for an outcome.
    labels, entity_labels
        Labels learned so far: of that outcome or of anomalies, and of the entity.
    """

    status: LabelStatus
    outcome: str | None = None
    probability: Shift = Shift()
    threshold: Shift = Shift()
    peers_threshold: Shift = Shift()
    labels: int = 0
    entity_labels: int = 0


@dataclass(frozen=True, slots=True)
class LabelSubject:
    """Where a label finds an entity.

    Attributes
    ----------
    memo
        Of the entity; changed by what is learned.
    now
        As of its newest event: labels and silences don't age a threshold, the entity's own time does.
    """

    history: InsightHistory
    now: Labelled


@dataclass(frozen=True, slots=True)
class Scaling:
    """Maps feature values to [0, 1], and to deviations from the peers' mean."""

    scale: Callable[[Matrix], Matrix]
    peers: Matrix

    def deviations(self, values: Matrix) -> Matrix:
        """How far scaled features are from those of the peers; NaN where either is missing."""
        return self.scale(values) - self.scale(self.peers)


class Feedback:
    """What people taught about the anomalies of one partition. Pickled with its models.

    Attributes
    ----------
    labels
        Labels learned, by outcome; those of anomalies under "".
    """

    def __init__(self, n_features: int) -> None:
        self.n_features = n_features
        self.alert_precision = AlertPrecisionModel(n_features)
        self.labels: dict[str, int] = {}
        self._peers = PeersShift()
        self._lowest_own = 0.0

    def alert_thresholds(self, changes: Sequence[StateChange], first: int) -> AlertThresholds:
        """Thresholds of a batch's rows, whose moments these are. Those from `first` on are new, and count as seen."""
        alert_thresholds = AlertThresholds(self._peers, changes, first, lowest_own=self._lowest_own)
        self._peers.n_seen += len(changes) - first
        return alert_thresholds

    def take(
        self,
        verdict: Label,
        subject: LabelSubject,
        *,
        quantile: float | None,
        scaling: Scaling,
        panels: Mapping[str, TeachablePanel],
    ) -> Learned:
        """Learn a person's label; `quantile` is the threshold in force, None while there is none."""
        delivered = self._delivered(verdict, subject.history)
        if delivered is None and (verdict.insight_id is not None or verdict.outcome is None):
            return Learned(LabelStatus.UNKNOWN_INSIGHT, verdict.outcome, entity_labels=subject.history.labels)
        outcome = verdict.outcome or (delivered.outcome if delivered else "")
        if outcome:
            return self._take_outcome(verdict, subject, outcome, delivered, scaling, panels.get(outcome))
        assert delivered is not None, "without an outcome, the label is about what was told"
        return self._take_anomaly(
            verdict, subject, delivered, delivered.threshold if quantile is None else quantile, scaling
        )

    def _delivered(self, verdict: Label, history: InsightHistory) -> DeliveredInsight | None:
        """The insight that a label is about; None if it is not kept, or was made with other features."""
        if verdict.insight_id is not None:
            delivered = history.find(short_hash(verdict.insight_id))
        else:
            delivered = history.delivered[-1] if history.delivered and verdict.outcome is None else None
        return delivered if delivered is not None and len(unpack_kept(delivered.row)) == self.n_features else None

    def _take_outcome(
        self,
        verdict: Label,
        subject: LabelSubject,
        outcome: str,
        delivered: DeliveredInsight | None,
        scaling: Scaling,
        panel: TeachablePanel | None,
    ) -> Learned:
        history = subject.history
        values = subject.now.values if delivered is None else unpack_kept(delivered.row)
        if panel is None or values is None:
            unknown = LabelStatus.UNKNOWN_OUTCOME if panel is None else LabelStatus.UNKNOWN_INSIGHT
            return Learned(unknown, outcome, entity_labels=history.labels)
        name = f"{outcome}/{subject.now.events}" if delivered is None else f"{outcome}/{delivered.insight:x}"
        key, row = short_hash(name), scaling.scale(values)
        before = panel.predict(row)
        status, weight = _standing(verdict, history.label_of(key))
        if status is not LabelStatus.REPEATED:
            panel.learn(row, verdict.positive, weight)
            history.mark(AppliedLabel(key, verdict.positive, verdict.weight))
            self._count(outcome, history)
        return Learned(
            status,
            outcome,
            Shift(before, panel.predict(row)),
            labels=self.labels.get(outcome, 0),
            entity_labels=history.labels,
        )

    def _take_anomaly(
        self, verdict: Label, subject: LabelSubject, delivered: DeliveredInsight, quantile: float, scaling: Scaling
    ) -> Learned:
        history, row = subject.history, scaling.deviations(unpack_kept(delivered.row))
        before = self._figures(history, row, quantile, subject.now.at_ms)
        mark = history.label_of(delivered.insight)
        status, weight = _standing(verdict, mark)
        if status is not LabelStatus.REPEATED:
            self.alert_precision.learn(row, confirmed=verdict.positive, weight=weight)
            self._move(verdict, subject, delivered, quantile, mark)
            self._count("", history)
        after = self._figures(history, row, quantile, subject.now.at_ms)
        probability, threshold, peers = (Shift(old, new) for old, new in zip(before, after, strict=True))
        return Learned(status, None, probability, threshold, peers, self.labels.get("", 0), history.labels)

    def _figures(self, history: InsightHistory, row: Matrix, quantile: float, at_ms: int) -> tuple[float, float, float]:
        """Probability of confirmation, the entity's threshold, and that of its peers."""
        own, peers = own_shift(history, at_ms), self._peers.at(self._peers.n_seen)
        return self.alert_precision.probability(row), shifted(quantile, own + peers), shifted(quantile, peers)

    def _move(
        self,
        verdict: Label,
        subject: LabelSubject,
        delivered: DeliveredInsight,
        quantile: float,
        mark: AppliedLabel | None,
    ) -> None:
        """Move both thresholds, after taking back what an earlier label of the same insight did."""
        history, at_ms, seen = subject.history, subject.now.at_ms, self._peers.n_seen
        own, peers = own_shift(history, at_ms), self._peers.at(seen)
        if mark is not None:
            own -= faded(mark.own, at_ms - mark.at_ms, OWN_HALF_LIFE_MS)
            peers -= faded(mark.peers, seen - mark.seen, PEERS_HALF_LIFE)
        above = log_odds(delivered.score) - log_odds(quantile) - peers
        new_own = moved(own, above, positive=verdict.positive, weight=verdict.weight)
        history.shift, history.shift_ms = min(max(new_own, OWN_LEAST), OWN_MOST), at_ms
        self._lowest_own = min(self._lowest_own, history.shift)
        step = PEERS_STEP * verdict.weight
        peers_by = self._peers.set(peers + (-step if verdict.positive else step)) - peers
        history.mark(
            AppliedLabel(
                delivered.insight,
                verdict.positive,
                verdict.weight,
                history.shift - own,
                peers_by,
                at_ms=at_ms,
                seen=seen,
            )
        )

    def _count(self, outcome: str, history: InsightHistory) -> None:
        self.labels[outcome] = self.labels.get(outcome, 0) + 1
        history.labels += 1


def _standing(verdict: Label, mark: AppliedLabel | None) -> tuple[LabelStatus, float]:
    """What a label is after an earlier one of the same subject, and the weight to learn it with."""
    if mark is None:
        return LabelStatus.LEARNED, verdict.weight
    if mark.positive == verdict.positive:
        return LabelStatus.REPEATED, 0.0
    return LabelStatus.CHANGED, min(MOST_WEIGHT, verdict.weight + mark.weight)

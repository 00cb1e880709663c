"""Takes a person's label: moves thresholds, and teaches how likely an alert is confirmed, or an outcome's models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from ubi_stream.events.verdict import Verdict
from ubi_stream.features.stage import Labelled, Matrix, unpack_kept
from ubi_stream.ids import short_hash
from ubi_stream.models.arrays import FloatArray
from ubi_stream.models.feedback.confirmation import Confirmation
from ubi_stream.models.feedback.thresholds import (
    OWN_HALF_LIFE_MS,
    OWN_LEAST,
    OWN_MOST,
    PEERS_HALF_LIFE,
    PEERS_STEP,
    Gate,
    PeersShift,
    faded,
    log_odds,
    moved,
    own_shift,
    shifted,
)
from ubi_stream.state.memo import Mark, Memo, Told
from ubi_stream.state.stage import Moment

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


class OutcomePanel(Protocol):
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
class Subject:
    """Where a label finds an entity.

    Attributes
    ----------
    memo
        Of the entity; changed by what is learned.
    now
        As of its newest event: labels and silences don't age a threshold, the entity's own time does.
    """

    memo: Memo
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
        self.confirmation = Confirmation(n_features)
        self.labels: dict[str, int] = {}
        self._peers = PeersShift()
        self._lowest_own = 0.0

    def gate(self, moments: Sequence[Moment], first: int) -> Gate:
        """Thresholds of a batch's rows, whose moments these are. Those from `first` on are new, and count as seen."""
        gate = Gate(self._peers, moments, first, lowest_own=self._lowest_own)
        self._peers.n_seen += len(moments) - first
        return gate

    def take(
        self,
        verdict: Verdict,
        subject: Subject,
        *,
        quantile: float | None,
        scaling: Scaling,
        panels: Mapping[str, OutcomePanel],
    ) -> Learned:
        """Learn a person's label; `quantile` is the threshold in force, None while there is none."""
        told = self._told(verdict, subject.memo)
        if told is None and (verdict.insight_id is not None or verdict.outcome is None):
            return Learned(LabelStatus.UNKNOWN_INSIGHT, verdict.outcome, entity_labels=subject.memo.labels)
        outcome = verdict.outcome or (told.outcome if told else "")
        if outcome:
            return self._take_outcome(verdict, subject, outcome, told, scaling, panels.get(outcome))
        assert told is not None, "without an outcome, the label is about what was told"
        return self._take_anomaly(verdict, subject, told, told.threshold if quantile is None else quantile, scaling)

    def _told(self, verdict: Verdict, memo: Memo) -> Told | None:
        """The insight that a label is about; None if it is not kept, or was made with other features."""
        if verdict.insight_id is not None:
            told = memo.find(short_hash(verdict.insight_id))
        else:
            told = memo.told[-1] if memo.told and verdict.outcome is None else None
        return told if told is not None and len(unpack_kept(told.row)) == self.n_features else None

    def _take_outcome(
        self,
        verdict: Verdict,
        subject: Subject,
        outcome: str,
        told: Told | None,
        scaling: Scaling,
        panel: OutcomePanel | None,
    ) -> Learned:
        memo = subject.memo
        values = subject.now.values if told is None else unpack_kept(told.row)
        if panel is None or values is None:
            unknown = LabelStatus.UNKNOWN_OUTCOME if panel is None else LabelStatus.UNKNOWN_INSIGHT
            return Learned(unknown, outcome, entity_labels=memo.labels)
        name = f"{outcome}/{subject.now.events}" if told is None else f"{outcome}/{told.insight:x}"
        key, row = short_hash(name), scaling.scale(values)
        before = panel.predict(row)
        status, weight = _standing(verdict, memo.mark_of(key))
        if status is not LabelStatus.REPEATED:
            panel.learn(row, verdict.positive, weight)
            memo.mark(Mark(key, verdict.positive, verdict.weight))
            self._count(outcome, memo)
        return Learned(
            status,
            outcome,
            Shift(before, panel.predict(row)),
            labels=self.labels.get(outcome, 0),
            entity_labels=memo.labels,
        )

    def _take_anomaly(
        self, verdict: Verdict, subject: Subject, told: Told, quantile: float, scaling: Scaling
    ) -> Learned:
        memo, row = subject.memo, scaling.deviations(unpack_kept(told.row))
        before = self._figures(memo, row, quantile, subject.now.at_ms)
        mark = memo.mark_of(told.insight)
        status, weight = _standing(verdict, mark)
        if status is not LabelStatus.REPEATED:
            self.confirmation.learn(row, confirmed=verdict.positive, weight=weight)
            self._move(verdict, subject, told, quantile, mark)
            self._count("", memo)
        after = self._figures(memo, row, quantile, subject.now.at_ms)
        probability, threshold, peers = (Shift(old, new) for old, new in zip(before, after, strict=True))
        return Learned(status, None, probability, threshold, peers, self.labels.get("", 0), memo.labels)

    def _figures(self, memo: Memo, row: Matrix, quantile: float, at_ms: int) -> tuple[float, float, float]:
        """Probability of confirmation, the entity's threshold, and that of its peers."""
        own, peers = own_shift(memo, at_ms), self._peers.at(self._peers.n_seen)
        return self.confirmation.probability(row), shifted(quantile, own + peers), shifted(quantile, peers)

    def _move(self, verdict: Verdict, subject: Subject, told: Told, quantile: float, mark: Mark | None) -> None:
        """Move both thresholds, after taking back what an earlier label of the same insight did."""
        memo, at_ms, seen = subject.memo, subject.now.at_ms, self._peers.n_seen
        own, peers = own_shift(memo, at_ms), self._peers.at(seen)
        if mark is not None:
            own -= faded(mark.own, at_ms - mark.at_ms, OWN_HALF_LIFE_MS)
            peers -= faded(mark.peers, seen - mark.seen, PEERS_HALF_LIFE)
        above = log_odds(told.score) - log_odds(quantile) - peers
        new_own = moved(own, above, positive=verdict.positive, weight=verdict.weight)
        memo.shift, memo.shift_ms = min(max(new_own, OWN_LEAST), OWN_MOST), at_ms
        self._lowest_own = min(self._lowest_own, memo.shift)
        step = PEERS_STEP * verdict.weight
        peers_by = self._peers.set(peers + (-step if verdict.positive else step)) - peers
        memo.mark(
            Mark(told.insight, verdict.positive, verdict.weight, memo.shift - own, peers_by, at_ms=at_ms, seen=seen)
        )

    def _count(self, outcome: str, memo: Memo) -> None:
        self.labels[outcome] = self.labels.get(outcome, 0) + 1
        memo.labels += 1


def _standing(verdict: Verdict, mark: Mark | None) -> tuple[LabelStatus, float]:
    """What a label is after an earlier one of the same subject, and the weight to learn it with."""
    if mark is None:
        return LabelStatus.LEARNED, verdict.weight
    if mark.positive == verdict.positive:
        return LabelStatus.REPEATED, 0.0
    return LabelStatus.CHANGED, min(MOST_WEIGHT, verdict.weight + mark.weight)

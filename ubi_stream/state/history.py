"""What was said about one entity, and predicted of it: kept beside its state, because it depends on scores.

The rest of a state is a function of the entity's own events, which a replay folds again. What was told is not: models
score an event once. So a memo is written with the partition's record too, when it changed since the barrier before; the
entity's own record follows, and a crash between the two loses nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

MAX_COOL_DOWNS: Final = 64
"""More subjects than a pack tells an entity about at a time; then the one that ends first gives way."""
MAX_DELIVERED: Final = 8
"""What a person may still label, about 200 bytes each; older ones go first."""
MAX_PENDING: Final = 8
"""Recommendations waiting for a reward; the oldest go first, and teach nothing."""
MAX_OPEN: Final = 8
"""Insights with recommendations that can be answered; the oldest go first."""
MAX_LABELS: Final = 16
"""Labels that are known to have been learned; older ones go first, and would be learned again."""


class DeliveredInsight(msgspec.Struct, array_like=True, gc=False):
    """An insight that a person may label.

    Attributes
    ----------
    insight
        Hash of its id.
    outcome
        Name of the outcome that was predicted; empty for an anomaly.
    score, threshold
        The score, and what an anomaly's was compared with before people's labels count.
    row
        Feature values, as 32-bit floats.
    """

    insight: int
    outcome: str
    score: float
    threshold: float
    row: bytes


class PendingRecommendation(msgspec.Struct, array_like=True, gc=False):
    """A recommendation that was chosen among several, and whose reward is not known yet.

    Attributes
    ----------
    insight
        Hash of its id.
    segment, action
        For whom it was, and what it said.
    context
        What the choice was made from.
    at_ms, due_ms
        When it was given, and how long a reward is waited for.
    delivered
        Id of its insight; empty where the state is older than this field.
    propensity
        Probability with which it was chosen.
    """

    insight: int
    segment: str
    action: str
    context: dict[str, float]
    at_ms: int
    due_ms: int
    delivered: str = ""
    propensity: float = 0.0


class OpenRecommendation(msgspec.Struct, array_like=True, gc=False):
    """Recommendations that a person may answer.

    Attributes
    ----------
    insight
        Hash of the id of the insight that carries them.
    """

    insight: int
    segment: str
    actions: list[str]


class AppliedLabel(msgspec.Struct, array_like=True, gc=False):
    """What a person's label did, so that it is not done twice, and can be undone.

    Attributes
    ----------
    subject
        Hash of what was labelled.
    own, peers
        By how much it moved the entity's threshold and that of all entities, in log-odds.
    at_ms, seen
        When that was: the entity's event time, the partition's rows.
    """

    subject: int
    positive: bool
    weight: float
    own: float = 0.0
    peers: float = 0.0
    at_ms: int = 0
    seen: int = 0


class PredictionWhenAsked(msgspec.Struct, array_like=True, gc=False):
    """What the models of an outcome said when a question was asked, as 32-bit floats: what they are judged by.

    Attributes
    ----------
    visit
        Number of the visit.
    crossed
        Probability at the visit's first event from which on the pack wants a prediction emitted; 0 if there is none.
    emitted
        Probability that was emitted first in the visit; 0 if there is none.
    """

    pending: int
    figures: bytes
    visit: int = 0
    crossed: float = 0.0
    emitted: float = 0.0


class InsightHistory(msgspec.Struct, array_like=True, gc=False):
    """Fields are encoded by position: append new ones, with a default. Each of them is bounded.

    Attributes
    ----------
    quiet_until_ms
        Until when the entity is not to be told about again, by subject.
    delivered
        The newest insights that a person may label, oldest first.
    applied_labels
        The newest labels that were learned, oldest first.
    shift, shift_ms
        By how much people's labels moved the entity's threshold for anomalies, in log-odds, as of that event time.
    labels
        Labels of people that were learned.
    pending_recommendations
        The newest recommendations that wait for their reward, oldest first.
    predicted
        Predictions for open questions, by outcome, oldest first.
    open_recommendations
        The newest recommendations that a person may answer, oldest first.
    peak_day, peak
        The newest day with an alert, and the class of its strongest: see `ubi_stream.models.anomaly.daily_peaks`.

    Examples
    --------
    >>> history = InsightHistory()
    >>> history.be_quiet("risk/slow", 1000, now_ms=0)
    >>> history.is_quiet("risk/slow", 999), history.is_quiet("risk/slow", 1000)
    (True, False)
    """

    quiet_until_ms: dict[str, int] = {}
    delivered: list[DeliveredInsight] = []
    applied_labels: list[AppliedLabel] = []
    shift: float = 0.0
    shift_ms: int = 0
    labels: int = 0
    pending_recommendations: list[PendingRecommendation] = []
    predicted: dict[str, list[PredictionWhenAsked]] = {}
    open_recommendations: list[OpenRecommendation] = []
    peak_day: int = -1
    peak: int = 0

    def is_quiet(self, subject: str, at_ms: int) -> bool:
        """Whether the cool-down of a subject is not over."""
        return self.quiet_until_ms.get(subject, at_ms) > at_ms

    def be_quiet(self, subject: str, until_ms: int, *, now_ms: int) -> None:
        """Begin a cool-down. `now_ms` is the watermark: cool-downs that ended before it are dropped."""
        quiet = {key: end for key, end in self.quiet_until_ms.items() if end > now_ms}
        quiet[subject] = until_ms
        if len(quiet) > MAX_COOL_DOWNS:
            del quiet[min(quiet, key=lambda key: (quiet[key], key))]
        self.quiet_until_ms = quiet

    def remember(self, delivered: DeliveredInsight) -> None:
        """Keep what was told, in place of the oldest."""
        self.delivered = [*self.delivered, delivered][-MAX_DELIVERED:]

    def await_reward(self, pending_recommendations: PendingRecommendation) -> None:
        """Wait for the reward of a recommendation, in place of the oldest."""
        self.pending_recommendations = [*self.pending_recommendations, pending_recommendations][-MAX_PENDING:]

    def keep_open(self, open_recommendations: OpenRecommendation) -> None:
        """Keep what a person may answer, in place of the oldest."""
        self.open_recommendations = [*self.open_recommendations, open_recommendations][-MAX_OPEN:]

    def find_open(self, insight: int) -> OpenRecommendation | None:
        """What was recommended by an insight with this hash; None if it is not kept (any more)."""
        return next(
            (
                open_recommendations
                for open_recommendations in self.open_recommendations
                if open_recommendations.insight == insight
            ),
            None,
        )

    def find(self, insight: int) -> DeliveredInsight | None:
        """What was told under an id with this hash; None if it is not kept (any more)."""
        return next((delivered for delivered in self.delivered if delivered.insight == insight), None)

    def label_of(self, subject: int) -> AppliedLabel | None:
        """The label of a subject that was learned; None if there is none (any more)."""
        return next((mark for mark in self.applied_labels if mark.subject == subject), None)

    def mark(self, mark: AppliedLabel) -> None:
        """Note a label that was learned, in place of an earlier one of its subject."""
        self.applied_labels = [*(other for other in self.applied_labels if other.subject != mark.subject), mark][
            -MAX_LABELS:
        ]

    def keep_prediction(self, outcome: str, predicted: PredictionWhenAsked, most: int, *, replaces: int = 0) -> None:
        """Keep a prediction until its question is answered, in place of another question's, and of the oldest."""
        before = self.predicted.get(outcome, ())
        for one in before:
            if one.pending == replaces:
                predicted.crossed, predicted.emitted = one.crossed, one.emitted
        kept = [*(one for one in before if one.pending != replaces), predicted][-most:]
        if outcome in self.predicted:
            self.predicted[outcome] = kept
        else:
            self.predicted = dict(sorted({**self.predicted, outcome: kept}.items()))

    def said_in_visit(self, outcome: str, visit: int) -> PredictionWhenAsked | None:
        """Return the newest prediction that is kept, if it was made in this visit."""
        newest = self.predicted.get(outcome, ())[-1:]
        return newest[0] if newest and newest[0].visit == visit else None

    def take_prediction(self, outcome: str, pending: int) -> PredictionWhenAsked | None:
        """Take out the prediction for a question; None if it is not kept (any more)."""
        kept = self.predicted.get(outcome, [])
        found = next((predicted for predicted in kept if predicted.pending == pending), None)
        if found is None:
            return None
        if remaining := [predicted for predicted in kept if predicted is not found]:
            self.predicted[outcome] = remaining
        else:
            del self.predicted[outcome]
        return found

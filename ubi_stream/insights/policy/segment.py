"""An entity's segment over time, when it has changed for good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ubi_stream.features.stage import NO_ROW
from ubi_stream.insights.claims import Claim
from ubi_stream.insights.explain import Explainer
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.policy.recommendation import Occasion, Recommendations
from ubi_stream.insights.policy.teller import Teller
from ubi_stream.insights.recommendations import RecommendationRecord
from ubi_stream.models.scores import Scores
from ubi_stream.models.segments import SegmentChange, Segments
from ubi_stream.packs.plan import DAY_MS, Plan

SILENCE: Final = "silence"
"""What the claim of a dormant entity is about."""


class SegmentChanges:
    """Tells of an entity's new segment, and what could be done about it."""

    def __init__(self, plan: Plan, explain: Explainer, segments: Segments, recommendations: Recommendations) -> None:
        self._plan = plan
        self._explain = explain
        self._segments = segments
        self._recommendations = recommendations

    def tell(self, teller: Teller, change: SegmentChange, scores: Scores) -> Iterator[Insight | RecommendationRecord]:
        """Tell of the change, where the pack wants it to be told; with the record of what was chosen to recommend."""
        if not self._segments.is_announced(change):
            return
        name, row, moment = change.name, change.row, teller.moment
        contributions, claims = self._reasons(change, scores)
        evidence: dict[str, object] = {"before": change.before, "before_since_ms": change.since_ms}
        if row is not None:
            evidence["runner_up"] = self._segments.runner_up(name, scores.batch.values[row])
            evidence["outcomes"] = scores.predictions.evidence(row)
        if change.confidence_status is not None:
            evidence["confidence_status"] = change.confidence_status
        cause = f"silence until {moment.at_ms}" if row is None else moment.cause_id
        place = NO_ROW if row is None else row
        occasion = Occasion(name, cause, moment.at_ms, place, change.confidence, contributions, claims)
        carrier = teller.id_of(InsightKind.SEGMENT, cause, name)
        advice, records = self._recommendations.advise(teller, occasion, scores, carrier)
        evidence["recommendations"] = [one.field() for one in advice]
        yield teller.insight(
            InsightKind.SEGMENT,
            cause=cause,
            label=name,
            confidence=change.confidence,
            severity=Severity(self._segments.by_name[name].severity),
            explanation=Explanation(self._sentence(change, claims), contributions, claims),
            window=name,
            evidence=evidence,
        )
        yield from self._recommendations.tell(teller, occasion, advice)
        yield from records

    def _reasons(self, change: SegmentChange, scores: Scores) -> tuple[tuple[Contribution, ...], tuple[Claim, ...]]:
        """The conditions that hold; for the segment of everybody else those of the others that don't."""
        row = change.row
        if row is None:
            days = self._plan.dormant_ms / DAY_MS
            return (), (Claim(SILENCE, days, "days", ">=", days, "threshold"),)
        conditions = self._segments.conditions[change.name]
        if conditions.items:
            return (
                self._explain.of_conditions(scores, row, conditions),
                self._explain.claims_of_conditions(scores, row, conditions),
            )
        others = [other for name, other in self._segments.conditions.items() if name != change.name]
        return self._explain.unmet(scores, row, others)

    def _sentence(self, change: SegmentChange, claims: tuple[Claim, ...]) -> str:
        texts = self._plan.pack.texts
        segment, before = texts.segment_word(change.name), texts.segment_word(change.before)
        if change.row is None:
            days = self._plan.dormant_ms / DAY_MS
            return texts.segment_silent.format(segment=segment, before=before, days=f"{days:g}")
        statement = texts.segment_before.format(segment=segment, before=before)
        if not claims:
            return statement
        return texts.because.format(statement=statement, why=self._explain.say_all(claims[:2]))

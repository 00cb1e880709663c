"""An entity's segment over time, when it has changed for good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ubi_stream.features.stage import NO_ROW
from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.claims import Claim
from ubi_stream.insights.explanation import Explainer
from ubi_stream.insights.kinds.recommendation import Occasion, RecommendationInsights
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.recommendations import RecommendationRecord
from ubi_stream.models.scores import Scores
from ubi_stream.packs.plan import DAY_MS, Plan
from ubi_stream.rules.segments import SegmentChange, Segments

SILENCE: Final = "silence"
"""What the claim of a dormant entity is about."""


class SegmentInsights:
    """Tells of an entity's new segment, and what could be done about it."""

    def __init__(
        self, plan: Plan, explain: Explainer, segments: Segments, recommendations: RecommendationInsights
    ) -> None:
        self._plan = plan
        self._explain = explain
        self._segments = segments
        self._recommendations = recommendations

    def insights(
        self, builder: InsightBuilder, segment_change: SegmentChange, scores: Scores
    ) -> Iterator[Insight | RecommendationRecord]:
        """Tell of the change, where the pack wants it to be told; with the record of what was chosen to recommend."""
        if not self._segments.is_announced(segment_change):
            return
        name, row, change = segment_change.name, segment_change.row, builder.change
        contributions, claims = self._reasons(segment_change, scores)
        evidence: dict[str, object] = {"before": segment_change.before, "before_since_ms": segment_change.since_ms}
        if row is not None:
            evidence["runner_up"] = self._segments.runner_up(name, scores.batch.values[row])
            evidence["outcomes"] = scores.predictions.evidence(row)
        if segment_change.confidence_status is not None:
            evidence["confidence_status"] = segment_change.confidence_status
        cause = f"silence until {change.at_ms}" if row is None else change.cause_id
        place = NO_ROW if row is None else row
        occasion = Occasion(name, cause, change.at_ms, place, segment_change.confidence, contributions, claims)
        carrier = builder.id_of(InsightKind.SEGMENT, cause, name)
        advice, records = self._recommendations.await_reward(builder, occasion, scores, carrier)
        evidence["recommendations"] = [one.field() for one in advice]
        yield builder.insight(
            InsightKind.SEGMENT,
            cause=cause,
            label=name,
            confidence=segment_change.confidence,
            severity=Severity(self._segments.by_name[name].severity),
            explanation=Explanation(self._sentence(segment_change, claims), contributions, claims),
            window=name,
            evidence=evidence,
        )
        yield from self._recommendations.insights(builder, occasion, advice)
        yield from records

    def _reasons(
        self, segment_change: SegmentChange, scores: Scores
    ) -> tuple[tuple[Contribution, ...], tuple[Claim, ...]]:
        """The conditions that hold; for the segment of everybody else those of the others that don't."""
        row = segment_change.row
        if row is None:
            days = self._plan.dormant_ms / DAY_MS
            return (), (Claim(SILENCE, days, "days", ">=", days, "threshold"),)
        conditions = self._segments.holding(segment_change.name, scores.batch.values[row])
        if conditions.items:
            return (
                self._explain.of_conditions(scores, row, conditions),
                self._explain.claims_of_conditions(scores, row, conditions),
            )
        others = [other for name, other in self._segments.conditions.items() if name != segment_change.name]
        return self._explain.unmet(scores, row, others)

    def _sentence(self, segment_change: SegmentChange, claims: tuple[Claim, ...]) -> str:
        texts = self._plan.pack.texts
        segment, before = texts.segment_word(segment_change.name), texts.segment_word(segment_change.before)
        entity = texts.entity_word(self._plan.entity.name)
        if segment_change.row is None:
            days = self._plan.dormant_ms / DAY_MS
            return texts.segment_silent.format(segment=segment, before=before, days=f"{days:g}", entity=entity)
        statement = texts.segment_before.format(segment=segment, before=before, entity=entity)
        if not claims:
            return statement
        return texts.because.format(statement=statement, why=self._explain.say_all(claims[:2]))

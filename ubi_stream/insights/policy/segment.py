"""An entity's segment, and what is advised for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from ubi_stream.insights.explain import Explainer
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.policy.session import visit_cause
from ubi_stream.insights.policy.teller import Teller
from ubi_stream.models.scores import Scores
from ubi_stream.models.segment import SegmentChange, Segments
from ubi_stream.packs.plan import DAY_MS, Plan

RECOMMEND_EVERY_MIN: Final = 1440
"""The same action is not recommended twice a day for one entity."""


class SegmentChanges:
    """Tells of a new segment, and of the segment at the end of a day's first visit."""

    def __init__(self, plan: Plan, explain: Explainer, segments: Segments) -> None:
        self._plan = plan
        self._explain = explain
        self._segments = segments

    def tell(self, teller: Teller, change: SegmentChange, scores: Scores) -> Iterator[Insight]:
        """Tell of the segment, then of what could be done about it."""
        name, row, moment = change.name, change.row, teller.moment
        cause, at_ms = moment.cause_id, moment.at_ms
        if change.daily and moment.ended is not None:
            cause, at_ms = visit_cause(moment.ended)
        elif row is None:
            cause = f"silence until {at_ms}"
        contributions: tuple[Contribution, ...] = ()
        confidence, runner_up = None, None
        evidence: dict[str, object] = {"before": change.before, "since_ms": change.since_ms, "daily": change.daily}
        if row is not None:
            values = scores.batch.values[row]
            contributions = self._explain.of_conditions(scores, row, self._segments.conditions[name])
            confidence = self._segments.confidence(name, values)
            runner_up = self._segments.runner_up(name, values)
            outcome = scores.outcome[row]
            evidence |= {"runner_up": runner_up, "buys_in_this_visit": None if np.isnan(outcome) else float(outcome)}
        yield teller.insight(
            InsightKind.SEGMENT,
            cause=cause,
            at_ms=at_ms,
            label=name,
            confidence=confidence,
            severity=Severity(self._segments.by_name[name].severity),
            explanation=Explanation(self._sentence(change, contributions), contributions),
            window=name,
            evidence=evidence,
        )
        advice = self._segments.by_name[name].recommendation
        if advice is None or (change.daily and name != self._segments.fallback):
            return
        if teller.allows(InsightKind.RECOMMENDATION, advice.action, RECOMMEND_EVERY_MIN):
            yield teller.insight(
                InsightKind.RECOMMENDATION,
                cause=cause,
                at_ms=at_ms,
                label=advice.action,
                score=advice.score,
                confidence=confidence,
                severity=Severity.MEDIUM if advice.priority == 1 else Severity.INFO,
                explanation=Explanation(f"{advice.text} (because the user is now {name})", contributions),
                window=advice.action,
                evidence={"segment": name, "priority": advice.priority},
            )

    def _sentence(self, change: SegmentChange, contributions: tuple[Contribution, ...]) -> str:
        name = change.name.replace("_", " ")
        if change.daily:
            return f"At the end of the day's first visit the user is {name}"
        if change.row is None:
            return f"The user has been silent for {self._plan.dormant_ms / DAY_MS:g} days and is now {name}"
        why = "; ".join(self._explain.phrase(part) for part in contributions[:2])
        before = f" (before: {change.before.replace('_', ' ')})" if change.before else ""
        return f"The user is now {name}{before}: {why}" if why else f"The user is now {name}{before}"

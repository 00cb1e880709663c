"""An entity's segment, and when something is advised for it."""

from __future__ import annotations

from collections.abc import Iterator

from ubi_stream.features.stage import NO_ROW
from ubi_stream.insights.claims import Claim
from ubi_stream.insights.explain import Explainer
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.policy.recommendation import Occasion, Recommendations
from ubi_stream.insights.policy.teller import Teller
from ubi_stream.models.scores import Scores
from ubi_stream.models.segment import SegmentChange, Segments
from ubi_stream.packs.plan import DAY_MS, Plan
from ubi_stream.state.visits import EndedVisit


class SegmentChanges:
    """Tells of a new segment, and of the segment at the end of a day's first visit."""

    def __init__(self, plan: Plan, explain: Explainer, segments: Segments, recommendations: Recommendations) -> None:
        self._plan = plan
        self._explain = explain
        self._segments = segments
        self._recommendations = recommendations

    def tell(self, teller: Teller, change: SegmentChange, scores: Scores) -> Iterator[Insight]:
        """Tell of the segment, then of what could be done about it."""
        name, row, moment = change.name, change.row, teller.moment
        cause, at_ms = moment.cause_id, moment.at_ms
        if change.daily and moment.ended is not None:
            cause, at_ms = visit_cause(moment.ended)
        elif row is None:
            cause = f"silence until {at_ms}"
        contributions: tuple[Contribution, ...] = ()
        claims: tuple[Claim, ...] = ()
        confidence, runner_up = None, None
        evidence: dict[str, object] = {"before": change.before, "since_ms": change.since_ms, "daily": change.daily}
        if row is not None:
            values = scores.batch.values[row]
            conditions = self._segments.conditions[name]
            contributions = self._explain.of_conditions(scores, row, conditions)
            claims = self._explain.claims_of_conditions(scores, row, conditions)
            confidence = self._segments.confidence(name, values)
            runner_up = self._segments.runner_up(name, values)
            evidence |= {"runner_up": runner_up, "outcomes": scores.predictions.evidence(row)}
        yield teller.insight(
            InsightKind.SEGMENT,
            cause=cause,
            at_ms=at_ms,
            label=name,
            confidence=confidence,
            severity=Severity(self._segments.by_name[name].severity),
            explanation=Explanation(self._sentence(change, claims), contributions, claims),
            window=name,
            evidence=evidence,
        )
        if not change.daily or name == self._segments.fallback:
            occasion = Occasion(name, cause, at_ms, NO_ROW if row is None else row, confidence, contributions)
            yield from self._recommendations.tell(teller, occasion, scores)

    def _sentence(self, change: SegmentChange, claims: tuple[Claim, ...]) -> str:
        texts = self._plan.pack.texts
        segment = texts.segment_word(change.name)
        if change.daily:
            return texts.segment_daily.format(segment=segment)
        if change.row is None:
            return texts.segment_silent.format(segment=segment, days=f"{self._plan.dormant_ms / DAY_MS:g}")
        statement = texts.segment.format(segment=segment)
        if change.before:
            statement = texts.segment_before.format(segment=segment, before=texts.segment_word(change.before))
        if not claims:
            return statement
        return texts.because.format(statement=statement, why=self._explain.say_all(claims[:2]))


def visit_cause(ended: EndedVisit) -> tuple[str, int]:
    """What names a visit, and its time: when it began, so that one id never has two times.

    When it ended depends on the order of events, and that of forwarded ones among others may differ after a crash.
    """
    session = ended.session
    return f"visit {session.id or ''} from {session.start_ms}", session.start_ms

"""The decide stage: what is told, to whom it may matter, and with which words."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, log
from typing import Final

import numpy as np

from ubi_stream.features.registry import Feature
from ubi_stream.ids import EntityId, insight_id
from ubi_stream.insights.explain import Explainer, short
from ubi_stream.insights.memory import PolicyMemory
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity, Source
from ubi_stream.models.change import RateChange, rate_change
from ubi_stream.models.scorer import Alert, Scores
from ubi_stream.models.segment import Assigned, Conditions, SegmentChange, Segments
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.schema import ChangeModel, Rule
from ubi_stream.state.panes import MICRO
from ubi_stream.state.stage import Moment
from ubi_stream.state.visits import EndedVisit

MINUTE_MS: Final = 60_000
RECOMMEND_EVERY_MS: Final = 86_400_000
"""The same action is not recommended twice a day for one entity."""
HIGH_ANOMALY: Final = 0.98
"""Score from which on an anomaly is of high severity."""


class Policy:
    """Turns the scores of a batch into insights.

    An entity is not told about twice for the same thing within the cool-down that the pack sets.
    """

    def __init__(
        self,
        plan: Plan,
        features: tuple[Feature, ...],
        segments: Segments,
        memory: PolicyMemory,
        *,
        model_version: str,
    ) -> None:
        self._plan = plan
        self._model_version = model_version
        self._segments = segments
        self._memory = memory
        self._explain = Explainer(features)
        rules = plan.pack.rules if plan.entity.key is None else ()
        self._rules = tuple((rule, Conditions(rule.when, features)) for rule in rules)
        self._anomaly = plan.pack.models.anomaly
        self._change = plan.pack.models.change
        self._tells_sessions = plan.pack.outputs.sessions and plan.entity.key is None  # a terminal visits nobody

    def decide(self, scores: Scores, assigned: Assigned) -> list[Insight]:
        """Insights of a batch, in the order of the moments that caused them."""
        batch = scores.batch
        rule_rows = [conditions.holds(batch.values) for _, conditions in self._rules]
        insights: list[Insight] = []
        for position, (moment, row) in enumerate(zip(batch.moments, batch.rows, strict=True)):
            if not moment.new:
                continue
            tell = _Teller(self._plan, moment, self._model_version)
            if moment.ended is not None and self._tells_sessions:
                insights.extend(self._session(tell, moment.ended, assigned.before[position]))
            change = assigned.changes.get(position)
            if change is not None:
                insights.extend(self._segment(tell, change, scores))
            if row < 0:
                continue
            if row in scores.alerts:
                insights.extend(self._anomalous(tell, scores, row, scores.alerts[row]))
            for (rule, conditions), holds in zip(self._rules, rule_rows, strict=True):
                if holds[row]:
                    insights.extend(self._risk(tell, scores, row, rule, conditions))
            if self._change is not None:
                insights.extend(self._changed(tell, scores, row, self._change))
        return insights

    def _allows(self, kind: InsightKind, label: str, moment: Moment, cool_down_ms: float) -> bool:
        return self._memory.allows(
            f"{kind}/{label}/{moment.entity_id}",
            at_ms=moment.at_ms,
            now_ms=moment.watermark_ms,
            cool_down_ms=round(cool_down_ms),
        )

    def _session(self, tell: _Teller, ended: EndedVisit, segment: str) -> Iterator[Insight]:
        session = ended.session
        if session.events < 2:
            return
        seconds = (session.last_ms - session.start_ms) / 1000
        bought = session.conversions > 0
        parts = [
            Contribution("session_duration_min", seconds / 60, _share(seconds, ended.usual_duration_s)),
            Contribution("session_depth", float(session.events), _share(session.events, ended.usual_depth)),
        ]
        deed = "bought" if bought else "left a cart behind" if session.intents else "looked around"
        cause, at_ms = _visit(ended)
        summary = f"A visit of {short(seconds / 60)} minutes with {session.events} events ended; the user {deed}"
        yield tell.insight(
            InsightKind.SESSION,
            cause=cause,
            at_ms=at_ms,
            label="converted" if bought else "abandoned" if session.intents else "browsed",
            explanation=Explanation(summary, tuple(parts)),
            evidence={
                "session_id": session.id,
                "start_ms": session.start_ms,
                "end_ms": session.last_ms,
                "events": session.events,
                "interests": session.interests,
                "intents": session.intents,
                "conversions": session.conversions,
                "amount": session.amount_micros / MICRO,
                "segment": segment,
            },
        )

    def _segment(self, tell: _Teller, change: SegmentChange, scores: Scores) -> Iterator[Insight]:
        name, row, moment = change.name, change.row, tell.moment
        cause, at_ms = moment.cause_id, moment.at_ms
        if change.daily and moment.ended is not None:
            cause, at_ms = _visit(moment.ended)
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
        yield tell.insight(
            InsightKind.SEGMENT,
            cause=cause,
            at_ms=at_ms,
            label=name,
            confidence=confidence,
            severity=Severity(self._segments.by_name[name].severity),
            explanation=Explanation(self._segment_sentence(change, contributions), contributions),
            window=name,
            evidence=evidence,
        )
        advice = self._segments.by_name[name].recommendation
        if advice is None or (change.daily and name != self._segments.fallback):
            return
        if self._allows(InsightKind.RECOMMENDATION, advice.action, tell.moment, RECOMMEND_EVERY_MS):
            yield tell.insight(
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

    def _segment_sentence(self, change: SegmentChange, contributions: tuple[Contribution, ...]) -> str:
        name = change.name.replace("_", " ")
        if change.daily:
            return f"At the end of the day's first visit the user is {name}"
        if change.row is None:
            return f"The user has been silent for {self._plan.dormant_ms / 86_400_000:g} days and is now {name}"
        why = "; ".join(self._explain.phrase(part) for part in contributions[:2])
        before = f" (before: {change.before.replace('_', ' ')})" if change.before else ""
        return f"The user is now {name}{before}: {why}" if why else f"The user is now {name}{before}"

    def _anomalous(self, tell: _Teller, scores: Scores, row: int, alert: Alert) -> Iterator[Insight]:
        assert self._anomaly is not None, "alerts come from the anomaly model"
        if not self._allows(InsightKind.ANOMALY, "", tell.moment, self._anomaly.cool_down_min * MINUTE_MS):
            return
        contributions = self._explain.contributions(scores, row, alert.parts)
        leading = [part for part in contributions if part.contribution > 0][:2] or list(contributions[:1])
        why = "; ".join(self._explain.phrase(part) for part in leading)
        yield tell.insight(
            InsightKind.ANOMALY,
            label="unusual",
            score=alert.score,
            severity=Severity.HIGH if alert.score >= HIGH_ANOMALY else Severity.MEDIUM,
            explanation=Explanation(f"Unusual for this {self._plan.entity.name}: {why}", contributions),
            evidence={"threshold": alert.threshold, "events_seen": scores.batch.facts[row].events},
        )

    def _risk(self, tell: _Teller, scores: Scores, row: int, rule: Rule, conditions: Conditions) -> Iterator[Insight]:
        if not self._allows(InsightKind.RISK, rule.name, tell.moment, rule.cool_down_min * MINUTE_MS):
            return
        contributions = self._explain.of_conditions(scores, row, conditions)
        yield tell.insight(
            InsightKind.RISK,
            label=rule.name,
            score=min(1.0, 0.5 + max(0.0, conditions.margin(scores.batch.values[row]))),
            severity=Severity(rule.severity),
            explanation=Explanation(rule.summary.format(**self._explain.values(scores, row)), contributions),
            window=rule.name,
            evidence={"conditions": [f"{c.feature} {c.op} {c.value:g}" for c in rule.when]},
        )

    def _changed(self, tell: _Teller, scores: Scores, row: int, model: ChangeModel) -> Iterator[Insight]:
        facts = scores.batch.facts[row]
        if facts.recent + facts.before < model.min_events or facts.before_days < 2:
            return
        found = rate_change(
            facts.recent,
            1.0,
            facts.before,
            facts.before_days,
            min_factor=model.factor,
            min_z=model.z,
            min_count=model.min_events,
        )
        label = "" if found is None else f"rate_{found.direction}"
        if found is None or not self._allows(
            InsightKind.BEHAVIOUR_CHANGE, label, tell.moment, model.cool_down_min * MINUTE_MS
        ):
            return
        usual = facts.before / facts.before_days
        part = Contribution("events_24h", float(facts.recent), log(found.factor), usual=usual)
        yield tell.insight(
            InsightKind.BEHAVIOUR_CHANGE,
            label=label,
            score=_certainty(found),
            severity=Severity.LOW if found.direction == "up" else Severity.MEDIUM,
            explanation=Explanation(
                f"{facts.recent} events in the last 24 hours, usually {short(usual)} a day: "
                f"{short(found.factor)} times the usual rate",
                (part,),
            ),
            window=label,
            evidence={"factor": found.factor, "z": found.z, "baseline_days": facts.before_days},
        )


class _Teller:
    """Makes the insights of one moment."""

    def __init__(self, plan: Plan, moment: Moment, model_version: str) -> None:
        self._plan = plan
        self._model_version = model_version
        self.moment = moment

    def insight(
        self,
        kind: InsightKind,
        *,
        label: str,
        explanation: Explanation,
        evidence: dict[str, object],
        window: str = "",
        score: float | None = None,
        confidence: float | None = None,
        severity: Severity = Severity.INFO,
        cause: str | None = None,
        at_ms: int | None = None,
    ) -> Insight:
        """Make one. `cause` and `at_ms` are the moment's, unless it only brought to light what was so before."""
        pack, entity, moment = self._plan.pack.name, self._plan.entity.name, self.moment
        origin = moment.origin
        return Insight(
            id=insight_id(pack, entity, EntityId(moment.entity_id), kind, cause or moment.cause_id, window),
            kind=kind,
            entity=entity,
            user_id=moment.entity_id,
            pack=pack,
            at_ms=moment.at_ms if at_ms is None else at_ms,
            label=label,
            score=score,
            confidence=confidence,
            severity=severity,
            explanation=explanation,
            evidence=evidence,
            model_version=self._model_version,
            source=Source(origin.topic, origin.partition, origin.offset),
            trace_id=moment.trace_id,
            received_ms=origin.timestamp_ms,
        )


def _visit(ended: EndedVisit) -> tuple[str, int]:
    """What names a visit, and its time: when it began, so that one id never has two times.

    When it ended depends on the order of events, and that of forwarded ones among others may differ after a crash.
    """
    session = ended.session
    return f"visit {session.id or ''} from {session.start_ms}", session.start_ms


def _share(value: float, usual: float | None) -> float:
    """How far a value is from the usual one, as a share of it; 0 where there is none."""
    return (value - usual) / usual if usual else 0.0


def _certainty(change: RateChange) -> float:
    """Evidence in [0, 1): four deviations are 0.8, ten are 0.98."""
    return 1.0 - exp(-abs(change.z) / 2.5)

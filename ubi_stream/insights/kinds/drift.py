"""A figure of all users that has another level than before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ubi_stream.features.registry import HOUR_OF_DAY
from ubi_stream.insights.builder import MINUTE_MS, InsightBuilder
from ubi_stream.insights.claims import Claim, compared
from ubi_stream.insights.explanation import Explainer
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.wording import in_words, short
from ubi_stream.models.drift.losses import OURS as LOSS_OURS
from ubi_stream.models.drift.losses import Worsened
from ubi_stream.models.drift.metrics import MetricKind, WatchedMetric
from ubi_stream.models.drift.occasions import Relation
from ubi_stream.models.drift.verdict import Drift, DriftVerdict
from ubi_stream.packs.candidates import DRIFT_DETECTORS
from ubi_stream.packs.plan import Plan

_DAY_MIN: Final = 24 * 60


_MUCH_WORSE: Final = 2.0
"""Times the former log-loss of a model from which on a person should look this week."""


def hour_of(time_ms: int) -> float:
    """Time of the day in UTC, in hours and whole minutes of them."""
    return time_ms // MINUTE_MS % _DAY_MIN / 60


class DriftInsights:
    """Tells of incidents of tracking by their cause, and that users changed at most once in a cool-down."""

    def __init__(self, plan: Plan, explain: Explainer) -> None:
        self._plan = plan
        self._explain = explain
        model = plan.parts.models.drift
        self._cool_down_min = model.cool_down_min if model else 0.0

    def insights(self, builder: InsightBuilder, drift: Drift) -> Iterator[Insight]:
        """Tell of a drift that came to light with the teller's moment, unless its cause was told a short while ago."""
        subject, broke = drift.subject, drift.verdict is DriftVerdict.TRACKING_BROKE
        cause = f"{subject.kind}/{subject.name}" if broke else drift.verdict.value
        if not builder.population_allows(InsightKind.DRIFT, cause, self._cool_down_min):
            return
        statement, claims = self._statement(drift)
        hour = hour_of(drift.since_ms)
        texts = self._plan.pack.texts
        verdict = texts.tracking_broke if broke else texts.users_changed
        why = texts.since.format(statement=statement, time=in_words(hour, HOUR_OF_DAY, texts))
        yield builder.insight(
            InsightKind.DRIFT,
            label=drift.verdict.value,
            severity=Severity.HIGH if broke else Severity.LOW,
            explanation=Explanation(
                texts.because.format(statement=verdict, why=why),
                (Contribution(subject.name, drift.after, drift.after - drift.before, usual=drift.before),),
                (*claims, compared("since", hour, HOUR_OF_DAY, hour, "own_usual")),
            ),
            evidence=_evidence(drift),
            window=cause if drift.detector in DRIFT_DETECTORS else f"{cause}/{drift.detector}",
            population=True,
            incident=builder.incident(cause, max(self._cool_down_min, 1.0), drift.since_ms),
        )

    def loss_insights(self, builder: InsightBuilder, worse: Worsened) -> Iterator[Insight]:
        """Tell of an outcome whose model has become worse, unless it was told a short while ago."""
        texts, window = self._plan.pack.texts, f"{MetricKind.LOSS}/{worse.outcome}"
        if not builder.population_allows(InsightKind.DRIFT, window, self._cool_down_min):
            return
        before, after, outcome = short(worse.before), short(worse.after), texts.outcome_word(worse.outcome)
        loss = f"log_loss_of_{worse.outcome}"
        why = texts.drift_loss.format(name=outcome, before=before, after=after)
        yield builder.insight(
            InsightKind.DRIFT,
            label=DriftVerdict.USERS_CHANGED.value,
            severity=Severity.MEDIUM if worse.after >= _MUCH_WORSE * worse.before else Severity.INFO,
            explanation=Explanation(
                texts.because.format(statement=texts.users_changed, why=why),
                (Contribution(loss, worse.after, worse.after - worse.before, usual=worse.before),),
                (compared(loss, worse.after, "nats", worse.before, "own_usual"),),
            ),
            evidence={
                "subject": MetricKind.LOSS.value,
                "name": worse.outcome,
                "before": worse.before,
                "after": worse.after,
                "action": "switched" if worse.switched else "kept",
                "detector": worse.detector,
            },
            window=window if worse.detector == LOSS_OURS else f"{window}/{worse.detector}",
            population=True,
        )

    def _statement(self, drift: Drift) -> tuple[str, tuple[Claim, ...]]:
        """What moved, in words, and the claims that the words are made of."""
        subject, texts = drift.subject, self._plan.pack.texts
        unit = "events a minute" if subject.kind is MetricKind.RATE else "share"
        before, after = (_value(subject, value) for value in (drift.before, drift.after))
        moved = compared(subject.name, after, unit, before, "own_usual")
        if drift.watched is not None and (sentence := self._of_tracking(drift.watched.relation)):
            is_type = subject.kind is MetricKind.TYPE
            count = drift.entities - drift.hits if is_type else drift.hits
            statement = sentence.format(
                name=drift.watched.name,
                given=drift.watched.given,
                count=count,
                of=drift.entities,
                usual=in_words(before, unit, texts),
            )
            return statement, (moved, compared("users", count, "entities", drift.entities, "peers"))
        sentence = {
            MetricKind.RATE: texts.drift_rate,
            MetricKind.TYPE: texts.drift_type,
            MetricKind.MISSING: texts.drift_missing,
        }.get(subject.kind, texts.drift_feature)
        shown = (short(value) if unit != "share" else in_words(value, unit, texts) for value in (before, after))
        words = dict(zip(("before", "after"), shown, strict=True))
        return sentence.format(name=self._explain.title(subject.name), **words), (moved,)

    def _of_tracking(self, relation: Relation) -> str | None:
        """The sentence of a watched share; None for one that is told as the share of a type."""
        texts = self._plan.pack.texts
        return {
            Relation.AFTER: texts.tracking_after,
            Relation.BEFORE: texts.tracking_before,
            Relation.MISSING: texts.tracking_missing,
            Relation.REPEAT: texts.tracking_repeat,
        }.get(relation)


def _value(subject: WatchedMetric, value: float) -> float:
    """A figure as it is told: a rate is watched as its logarithm."""
    return 10.0**value if subject.kind is MetricKind.RATE else max(value, 0.0)


def _evidence(drift: Drift) -> dict[str, object]:
    evidence: dict[str, object] = {
        "subject": drift.subject.kind.value,
        "name": drift.subject.name,
        "before": drift.before,
        "after": drift.after,
        "since_ms": drift.since_ms,
        "others": [f"{other.kind}/{other.name}" for other in drift.others],
        "action": drift.action,
        "detector": drift.detector,
    }
    if drift.watched is None:
        return evidence | {"blocks": drift.blocks, "entities_in_a_block": drift.entities}
    watched = drift.watched
    return evidence | {
        "relation": watched.relation.value,
        "given": watched.given,
        "occasions": drift.entities,
        "hits": drift.hits,
    }

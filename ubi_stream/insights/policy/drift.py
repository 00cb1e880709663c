"""A figure of all users that has another level than before."""

from __future__ import annotations

from collections.abc import Iterator

from ubi_stream.insights.explain import Explainer
from ubi_stream.insights.model import Contribution, Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.policy.teller import Teller
from ubi_stream.insights.words import short
from ubi_stream.models.drift.losses import OURS as LOSS_OURS
from ubi_stream.models.drift.losses import Worsened
from ubi_stream.models.drift.subjects import Subject, SubjectKind
from ubi_stream.models.drift.watch import OURS, Drift, Verdict
from ubi_stream.packs.plan import Plan


class Drifts:
    """Tells of each figure at most once in a cool-down."""

    def __init__(self, plan: Plan, explain: Explainer) -> None:
        self._plan = plan
        self._explain = explain
        model = plan.pack.models.drift
        self._cool_down_min = model.cool_down_min if model else 0.0

    def tell(self, teller: Teller, drift: Drift) -> Iterator[Insight]:
        """Tell of a drift that came to light with the teller's moment, unless it was told a short while ago."""
        subject = drift.subject
        window = f"{subject.kind}/{subject.name}"
        if not teller.population_allows(InsightKind.DRIFT, window, self._cool_down_min):
            return
        if drift.detector != OURS:
            window = f"{window}/{drift.detector}"
        broke = drift.verdict is Verdict.TRACKING_BROKE
        yield teller.insight(
            InsightKind.DRIFT,
            label=drift.verdict.value,
            severity=Severity.HIGH if broke else Severity.LOW,
            explanation=Explanation(
                self._sentence(drift),
                (Contribution(subject.name, drift.after, drift.after - drift.before, usual=drift.before),),
            ),
            evidence={
                "subject": subject.kind.value,
                "name": subject.name,
                "before": drift.before,
                "after": drift.after,
                "since_ms": drift.since_ms,
                "blocks": drift.blocks,
                "entities_in_a_block": drift.entities,
                "action": drift.action,
                "detector": drift.detector,
            },
            window=window,
            population=True,
        )

    def tell_loss(self, teller: Teller, worse: Worsened) -> Iterator[Insight]:
        """Tell of an outcome whose model has become worse, unless it was told a short while ago."""
        texts, window = self._plan.pack.texts, f"{SubjectKind.LOSS}/{worse.outcome}"
        if not teller.population_allows(InsightKind.DRIFT, window, self._cool_down_min):
            return
        before, after, outcome = short(worse.before), short(worse.after), texts.outcome_word(worse.outcome)
        why = texts.drift_loss.format(name=outcome, before=before, after=after)
        yield teller.insight(
            InsightKind.DRIFT,
            label=Verdict.USERS_CHANGED.value,
            severity=Severity.MEDIUM,
            explanation=Explanation(texts.because.format(statement=texts.users_changed, why=why)),
            evidence={
                "subject": SubjectKind.LOSS.value,
                "name": worse.outcome,
                "before": worse.before,
                "after": worse.after,
                "action": "switched" if worse.switched else "kept",
                "detector": worse.detector,
            },
            window=window if worse.detector == LOSS_OURS else f"{window}/{worse.detector}",
            population=True,
        )

    def _sentence(self, drift: Drift) -> str:
        texts = self._plan.pack.texts
        before, after = (_in_words(drift.subject, value) for value in (drift.before, drift.after))
        sentence = {
            SubjectKind.RATE: texts.drift_rate,
            SubjectKind.TYPE: texts.drift_type,
            SubjectKind.MISSING: texts.drift_missing,
            SubjectKind.FEATURE: texts.drift_feature,
        }[drift.subject.kind].format(name=self._explain.title(drift.subject.name), before=before, after=after)
        verdict = texts.tracking_broke if drift.verdict is Verdict.TRACKING_BROKE else texts.users_changed
        return texts.because.format(statement=verdict, why=sentence)


def _in_words(subject: Subject, value: float) -> str:
    if subject.kind is SubjectKind.RATE:
        return short(10.0**value)
    return f"{100 * max(value, 0.0):.3g} %"

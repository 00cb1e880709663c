"""Rules of the pack that hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import Featurized
from ubi_stream.insights.explain import Explainer
from ubi_stream.insights.model import Explanation, Insight, InsightKind, Severity
from ubi_stream.insights.policy.teller import Teller
from ubi_stream.models.scores import Scores
from ubi_stream.models.segment import Checks, Conditions
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.segments import Rule


class Risks:
    """Tells of users for whom a rule's conditions hold."""

    def __init__(self, plan: Plan, explain: Explainer, features: Sequence[Feature]) -> None:
        rules = plan.pack.rules if plan.entity.key is None else ()
        self._rules = tuple((rule, Conditions(rule.when, features)) for rule in rules)
        self._checks = Checks([conditions for _, conditions in self._rules]) if rules else None
        self._explain = explain

    def of_batch(self, batch: Featurized) -> dict[int, list[int]]:
        """By row, positions of the rules that hold for it; nearly no row has any."""
        found: dict[int, list[int]] = {}
        if self._checks is not None:
            for row, position in np.argwhere(self._checks.hold(batch.values)).tolist():
                found.setdefault(row, []).append(position)
        return found

    def tell(self, teller: Teller, scores: Scores, row: int, holding: Sequence[int]) -> Iterator[Insight]:
        """Tell of the rules that hold for a row; `holding` is what `of_batch` gave for it."""
        for position in holding:
            rule, conditions = self._rules[position]
            # What a wave tells of all begins the cool-down too: it is not told late.
            if teller.allows(InsightKind.RISK, rule.name, rule.cool_down_min) and (row, position) not in scores.held:
                yield self._risk(teller, scores, row, rule, conditions)

    def _risk(self, teller: Teller, scores: Scores, row: int, rule: Rule, conditions: Conditions) -> Insight:
        contributions = self._explain.of_conditions(scores, row, conditions)
        return teller.insight(
            InsightKind.RISK,
            label=rule.name,
            score=min(1.0, 0.5 + max(0.0, conditions.margin(scores.batch.values[row]))),
            severity=Severity(rule.severity),
            explanation=Explanation(rule.summary.format(**self._explain.values(scores, row)), contributions),
            window=rule.name,
            evidence={"conditions": [f"{c.feature} {c.op} {c.value:g}" for c in rule.when]},
        )

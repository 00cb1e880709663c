"""A user's risk level, from the rules of the pack that name a dimension of risk."""

from __future__ import annotations

from math import exp, isnan
from typing import Any, Final

import numpy as np

from ubi_stream.features.declared import features_of
from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import Matrix
from ubi_stream.insights.claims import OPPOSITE, Claim, holds
from ubi_stream.insights.encoding import iso_time
from ubi_stream.insights.wording import in_words
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.segments import RiskRule
from ubi_stream.packs.texts import Texts
from ubi_stream.rules.conditions import Conditions
from ubi_stream.state.model import UserState
from ubi_stream.state.risks import holds_still

_STEEPNESS: Final = 12.0
"""A value that is a tenth of its feature's range past the threshold scores 0.77; one that is as far from it, 0.23."""


def risk_of(plan: Plan, state: UserState) -> dict[str, Any] | None:
    """Risk level as of the user's newest event; None where the pack has no rule with a dimension.

    A dimension holds until `times.risk_days` after its rule was met last: that is the way back. The level is
    `high_risk` while a rule of high severity holds, with a dimension or without one, such as that of a bot. The score
    is that of the dimension that is closest to its threshold, or furthest past it: 0.5 at the threshold.
    """
    rules = [rule for rule in plan.parts.rules if rule.dimension is not None]
    if not rules:
        return None
    found = [_dimension(rule, plan, state) for rule in rules]
    others = [rule for rule in plan.pack.rules if rule.dimension is None and rule.severity == "high"]
    met = [(rule.name, state.rules[rule.name]) for rule in others if rule.name in state.rules]
    holding = [
        {"rule": name, "since": iso_time(one.since_ms)} for name, one in met if holds_still(one, state.last_ms, plan)
    ]
    high = [one["holds"] and rule.severity == "high" for one, rule in zip(found, rules, strict=True)]
    return {
        "level": "high_risk" if holding or any(high) else "standard",
        "score": max(one.pop("score") for one in found),
        "dimensions": found,
        "others": holding,
    }


def _dimension(rule: RiskRule, plan: Plan, state: UserState) -> dict[str, Any]:
    """One dimension; of several ways to meet the rule that which is closest."""
    features = features_of(rule.features, plan)
    row = np.array([feature.extract(state, state.last_ms, plan) for feature in features])
    ways = [Conditions(way, features) for way in rule.ways]
    closest = max(ways, key=lambda way: way.margin(row))
    condition, column = closest.items[rule.leading], closest.columns[rule.leading]
    value, met = float(row[column]), state.rules.get(rule.name)
    is_held = met is not None and holds_still(met, state.last_ms, plan)
    return {
        "name": rule.dimension,
        "rule": rule.name,
        "value": None if isnan(value) else value,
        "threshold": condition.value,
        "holds": is_held,
        "since": iso_time(met.since_ms) if met is not None and is_held else None,
        "summary": _sentence(closest, rule.leading, row, features, plan.pack.texts),
        "score": round(1.0 / (1.0 + exp(-_STEEPNESS * closest.margin(row))), 6),
    }


def _sentence(way: Conditions, leading: int, row: Matrix, features: tuple[Feature, ...], texts: Texts) -> str:
    """Where the user is now, by the leading condition: on which side of which threshold."""
    column = way.columns[leading]
    condition, feature, value = way.items[leading], features[column], float(row[column])
    title = texts.features.get(feature.name, feature.title)
    if isnan(value):
        return texts.feature.format(feature=title, value=texts.unknown)
    is_met = holds(Claim(feature.name, value, feature.unit, condition.op, condition.value, "threshold"))
    op = condition.op if is_met else OPPOSITE[condition.op]
    bound = texts.bound(op, in_words(condition.value, feature.unit, texts))
    return texts.feature_threshold.format(feature=title, value=in_words(value, feature.unit, texts), bound=bound)

"""Features that a pack declares, as features like all others: see `ubi_stream.packs.declared`."""

from __future__ import annotations

from typing import Final

from ubi_stream.errors import ConfigError
from ubi_stream.features.registry import (
    MISSING,
    Column,
    Extractor,
    Feature,
    all_features,
    select_features,
)
from ubi_stream.packs.aggregations import Aggregation
from ubi_stream.packs.declared import DeclaredFeature
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.roles import Roles
from ubi_stream.packs.schema import Pack
from ubi_stream.state.aggregates import decayed_of, distinct_of, largest_of, last_of, sum_of
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import MICRO, MINUTE_MS
from ubi_stream.state.visits import active_ms, whole

_HIGH: Final = {
    "count": 1000.0,
    "share": 1.0,
    "sum": 100_000.0,
    "mean": 10_000.0,
    "max": 10_000.0,
    "distinct": 1000.0,
    "weighted_sum": 1000.0,
    "rate_per_min": 100.0,
    "decayed_sum": 1000.0,
    "last": 10_000.0,
}
"""Largest value that the anomaly model tells apart, where the pack names none."""
_UNITS: Final = {"count": "events", "share": "share", "rate_per_min": "events a minute", "distinct": "values"}
_MEANINGS: Final = {
    "count": "Events",
    "share": "Share",
    "sum": "Sum of {property}",
    "mean": "Mean of {property}",
    "max": "Largest {property}",
    "distinct": "Different values of {property}",
    "weighted_sum": "Weighted sum",
    "rate_per_min": "Events a minute",
    "decayed_sum": "Sum that halves",
    "last": "Newest {property}",
}


def features_of(names: tuple[str, ...], plan: Plan) -> tuple[Feature, ...]:
    """Features by name, in that order: those that the pack declares for the plan's entity, and the registered ones.

    Raises
    ------
    ConfigError
        There is none of that name, it has nothing to count, or the pack declares one that is registered too.
    """
    return select_features(names, plan.entity.windows, declared_features(plan.pack, plan.entity.name))


def pack_features(pack: Pack) -> dict[str, Feature]:
    """All features that a pack may name: the registered ones, and what it declares for any of its entities.

    Raises
    ------
    ConfigError
        It declares one that is registered too.
    """
    declared: dict[str, Feature] = {}
    for entity in reversed(pack.entities):  # what the user has comes first
        declared |= declared_features(pack, entity.name)
    return all_features() | declared


def declared_features(pack: Pack, entity: str) -> dict[str, Feature]:
    """Features that a pack declares for a kind of entity, by name.

    Raises
    ------
    ConfigError
        One has the name of a registered feature.
    """
    declared = [one for one in pack.features if entity in one.entities]
    if taken := sorted(all_features().keys() & {one.name for one in declared}):
        raise ConfigError(f"features: {taken[0]!r} is the name of a feature of the product; call yours something else")
    width = len(declared)
    roles = pack.roles_of(next(one for one in pack.entities if one.name == entity))
    return {one.name: _feature(one, place, width, roles) for place, one in enumerate(declared)}


def _feature(one: DeclaredFeature, place: int, width: int, roles: Roles) -> Feature:
    scale = "log" if one.low >= 0 and one.kind != "share" else "linear"
    return Feature(
        name=one.name,
        unit=one.unit or _unit(one, roles),
        low=one.low,
        high=max(_HIGH[one.kind], one.low + 1) if one.high is None else one.high,
        meaning=f"{_MEANINGS[one.kind].format(property=one.property)}, declared by the pack",
        extract=_one_of(place),
        scale="log" if scale == "log" else "linear",
        title=one.title or one.name.replace("_", " "),
        column=Column(declared_values, place, None, width),
        notable=one.notable,
    )


def _unit(one: DeclaredFeature, roles: Roles) -> str:
    if one.property is not None and one.property == roles.amount and one.kind != "distinct":
        return "money"
    return _UNITS.get(one.kind) or (one.property or "points").replace("_", " ")


def declared_values(state: UserState, _at_ms: int, plan: Plan) -> tuple[float, ...]:
    """Values of all features that the pack declares for an entity, as of its newest event."""
    return () if plan.declared is None else tuple(_value(state, *pair) for pair in plan.declared.features)


def _one_of(place: int) -> Extractor:
    def one(state: UserState, at_ms: int, plan: Plan) -> float:
        return declared_values(state, at_ms, plan)[place]

    return one


def _value(state: UserState, declared: DeclaredFeature, one: Aggregation) -> float:
    kept, visit, now_ms = state.aggregates, state.session.aggregates, state.last_ms
    if one.aggregate == "distinct":
        return float(distinct_of(kept, visit, one, now_ms))
    if one.aggregate == "decayed":
        return decayed_of(kept, one, now_ms)
    if one.aggregate == "last":
        newest = last_of(kept, visit, one, now_ms)
        return MISSING if newest is None else newest
    if one.aggregate == "max":
        largest = largest_of(kept, visit, one, now_ms)
        return MISSING if largest is None else largest / MICRO
    pane = sum_of(kept, visit, one, now_ms)
    if one.aggregate == "share":
        return _share(pane)
    events, total = (pane[1], pane[0] / MICRO) if pane else (0, 0.0)
    if declared.kind == "count":
        return float(events)
    if declared.kind == "rate_per_min":
        return events / (one.window_ms or max(MINUTE_MS, active_ms(whole(state.session)))) * MINUTE_MS
    if declared.kind == "mean":
        return total / events if events else MISSING
    return total


def _share(pane: list[int]) -> float:
    """Part of a share's base; missing where there is no base."""
    part = pane[2] if len(pane) > 2 else 0
    base = part + (pane[1] if pane else 0)
    return part / base if base else MISSING

"""The probe's pack with features that it declares, and what they should come to: counted from lists of events."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, probe_pack
from ubi_stream.packs.declared import DeclaredFeature
from ubi_stream.packs.schema import Pack

WINDOWS: Final = ("visit", "5m", "1h", "24h", "7d", "30d")
PANES: Final = {
    "5m": (MINUTE_MS, 5),
    "1h": (5 * MINUTE_MS, 12),
    "24h": (HOUR_MS, 24),
    "7d": (DAY_MS, 7),
    "30d": (DAY_MS, 30),
}
HALF_LIFE_MS: Final = {"5m": 5 * MINUTE_MS, "1h": HOUR_MS, "24h": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}
KINDS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "count", "types": ["view", "cart"]},
    {"kind": "count", "where": {"property": "stock", "op": "<", "value": 3}},
    {"kind": "share", "types": ["cart"]},
    {"kind": "share", "types": ["cart"], "of": ["cart", "purchase"], "where": {"property": "gift", "value": True}},
    {"kind": "sum", "property": "weight_kg"},
    {"kind": "mean", "property": "weight_kg", "types": ["view"]},
    {"kind": "max", "property": "weight_kg"},
    {"kind": "distinct", "property": "brand", "where": {"property": "brand", "op": "!=", "value": "b0"}},
    {"kind": "weighted_sum", "weights": {"view": 1, "purchase": 4.5}},
    {"kind": "weighted_sum", "property": "weight_kg", "weights": {"cart": -2}, "types": ["cart", "purchase"]},
    {"kind": "rate_per_min"},
    {"kind": "last", "property": "weight_kg", "types": ["view", "cart"]},
    {"kind": "decayed_sum", "weights": {"view": 1, "purchase": 8}},
)
"""Of each kind at least one; every window is added to each."""


def declarations() -> list[DeclaredFeature]:
    """All of them, over every window that they may have."""
    return [
        DeclaredFeature.model_validate({"name": f"own_{number}_{window}", "window": window, **one})
        for number, one in enumerate(KINDS)
        for window in WINDOWS
        if (one["kind"], window) != ("decayed_sum", "visit")
    ]


def pack_with(features: Sequence[DeclaredFeature], *, entity: str = "user", windows: str = "paned") -> Pack:
    """The probe's pack, whose entity lists these features alone."""
    pack = probe_pack()
    names = tuple(one.name for one in features)
    changes = {"features": names, "anomaly_features": (), "windows": windows}
    entities = tuple(one.model_copy(update=changes) if one.name == entity else one for one in pack.entities)
    changed = pack.model_copy(
        update={"entities": entities, "features": tuple(features), "segments": (), "rules": (), "outcomes": ()}
    )
    without = changed.models.model_copy(update={"candidates": ()})
    return Pack.model_validate(changed.model_copy(update={"models": without}).model_dump())


def expected(one: DeclaredFeature, events: Sequence[dict[str, Any]]) -> float:
    """What a feature should be after all of these events."""
    if one.kind == "decayed_sum":
        return _decayed(one, events)
    inside = _visit(events) if one.window == "visit" else _within(events, *PANES[one.window])
    counted = [content for content in inside if _counts(one, content)]
    if one.kind == "count":
        return float(len(counted))
    if one.kind == "share":
        base = [c for c in inside if c["event_type"] in one.of] if one.of else inside
        return len(counted) / len(base) if base else math.nan
    if one.kind == "rate_per_min":
        return len(counted) / _minutes(one, inside)
    values = [content["properties"][one.property] for content in counted if one.property in content["properties"]]
    if one.kind == "distinct":
        return float(len(set(values)))
    if one.kind == "weighted_sum":
        weighed = counted if one.property is None else [c for c in counted if one.property in c["properties"]]
        return sum(_value(one, content) for content in weighed)
    if one.kind == "sum":
        return float(sum(values))
    if not values:
        return math.nan
    if one.kind == "last":
        with_value = [content for content in counted if one.property in content["properties"]]
        newest = max(content["event_time"] for content in with_value)
        of_then = [content for content in with_value if content["event_time"] == newest]
        return float(of_then[-1]["properties"][one.property])
    return float(max(values) if one.kind == "max" else sum(values) / len(values))


def _within(events: Sequence[dict[str, Any]], pane_ms: int, panes: int) -> list[dict[str, Any]]:
    newest = max(content["event_time"] for content in events) // pane_ms
    return [content for content in events if newest - panes < content["event_time"] // pane_ms]


def _visit(events: Sequence[dict[str, Any]], gap_ms: int = 10 * MINUTE_MS) -> list[dict[str, Any]]:
    """The newest visit, by its gaps: an event of before it began is one of an earlier visit."""
    visit: list[dict[str, Any]] = []
    for content in events:
        at_ms, times = content["event_time"], [one["event_time"] for one in visit]
        if times and at_ms < min(times) - gap_ms:
            continue
        visit = [*visit, content] if times and at_ms - max(times) <= gap_ms else [content]
    return visit


def _minutes(one: DeclaredFeature, inside: Sequence[dict[str, Any]]) -> float:
    if one.window != "visit":
        pane_ms, panes = PANES[one.window]
        return pane_ms * panes / MINUTE_MS
    times = [content["event_time"] for content in inside]
    return float(max(1.0, (max(times) - min(times)) / MINUTE_MS))


def _counts(one: DeclaredFeature, content: dict[str, Any]) -> bool:
    types = one.types or tuple(one.weights)
    if types and content["event_type"] not in types:
        return False
    found = content["properties"]
    compare: dict[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "==": operator.eq, "!=": operator.ne}
    return all(c.property in found and compare[c.op](found[c.property], c.value) for c in one.where)


def _value(one: DeclaredFeature, content: dict[str, Any]) -> float:
    of_property = 1.0 if one.property is None else content["properties"][one.property]
    return float(one.weights.get(content["event_type"], 1.0) * of_property)


def _decayed(one: DeclaredFeature, events: Sequence[dict[str, Any]]) -> float:
    now_ms = max(content["event_time"] for content in events)
    half_life_ms = HALF_LIFE_MS[one.window]
    return math.fsum(
        _value(one, content) * 2.0 ** ((content["event_time"] - now_ms) / half_life_ms)
        for content in events
        if _counts(one, content)
    )

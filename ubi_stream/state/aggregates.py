"""What is kept of an entity for the features that its pack declares, in bounded space.

Each aggregation is kept under its key, so a changed declaration begins anew and the others go on. Sums, shares and
largest values are integers of millionths: the order of events does not change them. A window is the panes that end with
the pane of the entity's newest event.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappush, heapreplace
from typing import Any

import msgspec

from ubi_stream.packs.aggregations import Aggregation, DeclaredPlan
from ubi_stream.state.distinct import SLOTS, add_hash, count_distinct, hash_of
from ubi_stream.state.panes import MAX_MICROS, MICRO, NO_EVENTS, Pane, PaneRing, add_micros

Sketch = dict[int, int]
"""Different values of a window: the newest pane of each hash that can be among its `SLOTS` smallest."""


class Decayed(msgspec.Struct, array_like=True, gc=False):
    """A value as of a time: a sum that halves with every half-life of age, or the newest one."""

    value: float
    at_ms: int


class Aggregates(msgspec.Struct, array_like=True, gc=False):
    """Aggregations over windows, by key.

    Attributes
    ----------
    sums
        Panes of the sum in millionths and its number of events; of a share, its base without and with the part.
    largest
        Largest value by pane, in millionths.
    distinct
        Sketches of the different values.
    decayed
        Decayed sums.
    last
        Newest values, with their time.
    """

    sums: dict[int, PaneRing] = {}
    largest: dict[int, dict[int, int]] = {}
    distinct: dict[int, Sketch] = {}
    decayed: dict[int, Decayed] = {}
    last: dict[int, Decayed] = {}

    def keep(self, keys: frozenset[int]) -> None:
        """Drop what the pack does not declare any more."""
        for kept in (self.sums, self.largest, self.distinct, self.decayed, self.last):
            for key in kept.keys() - keys:
                del kept[key]

    def __len__(self) -> int:
        return len(self.sums) + len(self.largest) + len(self.distinct) + len(self.decayed) + len(self.last)


class VisitAggregates(msgspec.Struct, array_like=True, gc=False):
    """Aggregations over one visit, by key: the same, without panes."""

    sums: dict[int, Pane] = {}
    largest: dict[int, int] = {}
    distinct: dict[int, list[int]] = {}
    last: dict[int, Decayed] = {}


def aggregate(
    kept: Aggregates,
    visit: VisitAggregates | None,
    properties: Mapping[str, Any],
    type_index: int,
    time_ms: int,
    plan: DeclaredPlan,
) -> None:
    """Take one event into the aggregations; `visit` are those of its visit, None where that is over."""
    for one in plan.by_type[type_index]:
        if not one.panes and visit is None:
            continue
        is_part = one.weights is None or type_index in one.weights
        is_part = is_part and all(
            name in properties and compares(properties[name], to) for name, compares, to in one.where
        )
        if one.aggregate == "share":
            _add_sum(kept, visit, one, time_ms, int(is_part), 0)
            continue
        if not is_part:
            continue
        if one.aggregate == "count":
            _add_sum(kept, visit, one, time_ms, 0, 0)
            continue
        found = None if one.value_of is None else properties.get(one.value_of)
        if found is None and one.value_of is not None:
            continue
        if one.aggregate == "distinct":
            _add_distinct(kept, visit, one, time_ms, hash_of(str(found)))
            continue
        weight = 1.0 if one.weights is None else one.weights[type_index]
        value = weight if found is None else weight * found
        if one.aggregate == "sum":
            _add_sum(kept, visit, one, time_ms, 0, as_micros(value))
        elif one.aggregate == "max":
            _add_largest(kept, visit, one, time_ms, as_micros(value))
        elif one.aggregate == "last":
            _set_last(kept.last if one.panes or visit is None else visit.last, one, time_ms, value)
        else:
            _add_decayed(kept.decayed, one, time_ms, value)
    if len(kept) > len(plan.keys):
        kept.keep(plan.keys)


def as_micros(value: float) -> int:
    """A number as whole millionths, within what the codec knows."""
    return max(-MAX_MICROS, min(MAX_MICROS, round(value * MICRO)))


def sum_of(kept: Aggregates | None, visit: VisitAggregates | None, one: Aggregation, now_ms: int) -> Pane:
    """Return the sum in millionths, then the numbers of events, over the window; empty where there were none."""
    if not one.panes:
        return visit.sums.get(one.key, NO_EVENTS) if visit else NO_EVENTS
    ring = kept.sums.get(one.key) if kept else None
    if ring is None:
        return NO_EVENTS
    behind = now_ms // one.pane_ms - ring.head
    if behind <= 0:
        return ring.total
    return ring.last(one.panes - behind) if behind < one.panes else NO_EVENTS


def largest_of(kept: Aggregates | None, visit: VisitAggregates | None, one: Aggregation, now_ms: int) -> int | None:
    """Return the largest value over the window in millionths; None where there was none."""
    if not one.panes:
        return visit.largest.get(one.key) if visit else None
    oldest = now_ms // one.pane_ms - one.panes
    by_pane = kept.largest.get(one.key, {}) if kept else {}
    return max((value for pane, value in by_pane.items() if pane > oldest), default=None)


def distinct_of(kept: Aggregates | None, visit: VisitAggregates | None, one: Aggregation, now_ms: int) -> int:
    """Return how many different values there were in the window: exact up to 63, an estimate beyond."""
    if not one.panes:
        return count_distinct(visit.distinct.get(one.key, [])) if visit else 0
    oldest = now_ms // one.pane_ms - one.panes
    sketch = kept.distinct.get(one.key, {}) if kept else {}
    return count_distinct(sorted(hashed for hashed, pane in sketch.items() if pane > oldest)[:SLOTS])


def last_of(kept: Aggregates | None, visit: VisitAggregates | None, one: Aggregation, now_ms: int) -> float | None:
    """Return the newest value in the window; None where there was none."""
    if not one.panes:
        found = visit.last.get(one.key) if visit else None
        return found.value if found else None
    found = kept.last.get(one.key) if kept else None
    is_inside = found is not None and found.at_ms // one.pane_ms > now_ms // one.pane_ms - one.panes
    return found.value if found is not None and is_inside else None


def decayed_of(kept: Aggregates | None, one: Aggregation, now_ms: int) -> float:
    """Return the decayed sum as of `now_ms`; 0 where there was nothing."""
    found = kept.decayed.get(one.key) if kept else None
    return 0.0 if found is None else found.value * halved(now_ms - found.at_ms, one)


def _add_sum(
    kept: Aggregates, visit: VisitAggregates | None, one: Aggregation, time_ms: int, place: int, micros: int
) -> None:
    if one.panes:
        ring = kept.sums.get(one.key)
        if ring is None:
            ring = kept.sums[one.key] = PaneRing()
        ring.add(time_ms // one.pane_ms, one.panes, place, micros)
    elif visit is not None:
        cell = visit.sums.get(one.key)
        if cell is None:
            cell = visit.sums[one.key] = [0, 0, 0] if one.aggregate == "share" else [0, 0]
        cell[place + 1] += 1
        cell[0] = add_micros(cell[0], micros)


def _add_largest(kept: Aggregates, visit: VisitAggregates | None, one: Aggregation, time_ms: int, micros: int) -> None:
    if one.panes:
        by_pane, pane = kept.largest.setdefault(one.key, {}), time_ms // one.pane_ms
        by_pane[pane] = max(micros, by_pane.get(pane, micros))
        if len(by_pane) > one.panes:
            oldest = max(by_pane) - one.panes
            for old in [known for known in by_pane if known <= oldest]:
                del by_pane[old]
    elif visit is not None:
        visit.largest[one.key] = max(micros, visit.largest.get(one.key, micros))


def _add_distinct(kept: Aggregates, visit: VisitAggregates | None, one: Aggregation, time_ms: int, hashed: int) -> None:
    if one.panes:
        sketch, pane = kept.distinct.setdefault(one.key, {}), time_ms // one.pane_ms
        known = sketch.get(hashed)
        if known is None or known < pane:
            sketch[hashed] = pane
        if known is None and len(sketch) % SLOTS == 0:
            thin_out(sketch, one.panes)
    elif visit is not None:
        add_hash(visit.distinct.setdefault(one.key, []), hashed)


def thin_out(sketch: Sketch, panes: int) -> None:
    """Drop each hash that no window of now or later has among its smallest: so many smaller ones are as new."""
    oldest = max(sketch.values()) - panes
    newest: list[int] = []  # a heap of the panes of the smaller hashes, the `SLOTS` newest at most
    for hashed in sorted(sketch):
        pane = sketch[hashed]
        if pane <= oldest or (len(newest) == SLOTS and newest[0] >= pane):
            del sketch[hashed]
        elif len(newest) < SLOTS:
            heappush(newest, pane)
        else:
            heapreplace(newest, pane)


def _set_last(kept: dict[int, Decayed], one: Aggregation, time_ms: int, value: float) -> None:
    found = kept.get(one.key)
    if found is None or time_ms >= found.at_ms:
        kept[one.key] = Decayed(value, time_ms)


def _add_decayed(kept: dict[int, Decayed], one: Aggregation, time_ms: int, value: float) -> None:
    found = kept.get(one.key)
    if found is None:
        kept[one.key] = Decayed(value, time_ms)
    elif time_ms >= found.at_ms:
        found.value = found.value * halved(time_ms - found.at_ms, one) + value
        found.at_ms = time_ms
    else:
        found.value += value * halved(found.at_ms - time_ms, one)


def halved(age_ms: int, one: Aggregation) -> float:
    """What is left of 1 after some time."""
    return float(2.0 ** (-age_ms / one.window_ms))

"""Merges what two ids have counted in panes, and what is kept for features that a pack declares."""

from __future__ import annotations

from ubi_stream.packs.aggregations import Aggregation, DeclaredPlan
from ubi_stream.state.aggregates import Aggregates, Decayed, VisitAggregates, halved, thin_out
from ubi_stream.state.distinct import merged_distinct
from ubi_stream.state.panes import PaneRing, add_micros


def merge_rings(ring: PaneRing, other: PaneRing, length: int) -> None:
    """Add the panes of another ring that are not older than those that are kept.

    >>> one, two = PaneRing(), PaneRing()
    >>> _ = one.add(7, 3, 0, 0), two.add(8, 3, 1, 500)
    >>> merge_rings(one, two, 3)
    >>> one.head, one.panes, one.total
    (8, {7: [0, 1], 8: [500, 0, 1]}, [500, 1, 1])
    """
    if other.head > ring.head:
        ring.move_to(other.head, length)
    for number, cell in sorted(other.panes.items()):
        if number > ring.head - length:
            own = ring.panes.setdefault(number, [])
            for sums in (own, ring.total):
                sums.extend([0] * (len(cell) - len(sums)))
                for place, value in enumerate(cell):
                    sums[place] = sums[place] + value if place else add_micros(sums[0], value)


def merged_aggregates(one: Aggregates | None, other: Aggregates | None, plan: DeclaredPlan) -> Aggregates | None:
    """Aggregations of both over the pack's windows; those that it does not declare any more are left out."""
    if one is None or other is None:
        return one or other
    for aggregation in {aggregation.key: aggregation for _, aggregation in plan.features}.values():
        _merge_one(one, other, aggregation)
    return one


def merged_visit_aggregates(one: VisitAggregates | None, other: VisitAggregates | None) -> VisitAggregates | None:
    """Aggregations of two visits that become one."""
    if one is None or other is None:
        return one or other
    sums = {key: list(cell) for key, cell in one.sums.items()}
    for key, cell in other.sums.items():
        own = sums.get(key, [0] * len(cell))
        sums[key] = [
            add_micros(own[0], cell[0]),
            *(mine + theirs for mine, theirs in zip(own[1:], cell[1:], strict=True)),
        ]
    largest = {key: max(value, one.largest.get(key, value)) for key, value in other.largest.items()}
    distinct = {key: merged_distinct(one.distinct.get(key, []), kept) for key, kept in other.distinct.items()}
    return VisitAggregates(sums, {**one.largest, **largest}, {**one.distinct, **distinct})


def _merge_one(one: Aggregates, other: Aggregates, aggregation: Aggregation) -> None:
    key, panes = aggregation.key, aggregation.panes
    if (ring := other.sums.get(key)) is not None:
        merge_rings(one.sums.setdefault(key, PaneRing()), ring, panes)
    if (by_pane := other.largest.get(key)) is not None:
        own = one.largest.setdefault(key, {})
        for pane, value in by_pane.items():
            own[pane] = max(value, own.get(pane, value))
        oldest = max(own) - panes
        one.largest[key] = {pane: value for pane, value in own.items() if pane > oldest}
    if (sketch := other.distinct.get(key)) is not None:
        mine = one.distinct.setdefault(key, {})
        for hashed, pane in sketch.items():
            mine[hashed] = max(pane, mine.get(hashed, pane))
        thin_out(mine, panes)
    if (theirs := other.decayed.get(key)) is not None:
        kept = one.decayed.get(key, Decayed(0.0, theirs.at_ms))
        at_ms = max(kept.at_ms, theirs.at_ms)
        own_value = kept.value * halved(at_ms - kept.at_ms, aggregation)
        one.decayed[key] = Decayed(own_value + theirs.value * halved(at_ms - theirs.at_ms, aggregation), at_ms)

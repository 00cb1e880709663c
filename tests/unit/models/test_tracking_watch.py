"""Tracking that breaks, in a shop whose users come and buy by the hour; and days in which nothing happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

import pytest
from msgspec import structs

from ubi_stream.features.event_context import EventContext
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.snapshot import dumps, loads
from ubi_stream.models.drift.metrics import MetricKind
from ubi_stream.models.drift.occasions import MOST_NAMES, Relation, TrackedRows
from ubi_stream.models.drift.tracking import TrackingWatch
from ubi_stream.models.drift.verdict import Drift, DriftVerdict

TYPES = ("view", "cart", "purchase", "other")
VIEW, CART, PURCHASE = range(3)
FACTS = EventContext(events=1, was_silent_ms=0.0, first_in_pane=True, hits=0, hour=0, day=0, visit=0)
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
BREAKS_MS = 2 * DAY_MS + 10 * HOUR_MS


class Row(NamedTuple):
    at_ms: int
    kind: int
    user: str
    properties: dict[str, Any]
    session: str | None = "s"


Change = Callable[[Row], list[Row]]


def visits(days: int, *, per_hour: float = 60.0, seed: int = 1) -> Iterator[Row]:
    """Visits of new users, a third as many at night; three of ten fill a cart, and six of ten of those buy."""
    draw, at_ms, number = Random(seed), 0.0, 0
    while at_ms < days * DAY_MS:
        is_night = at_ms // HOUR_MS % 24 < 7
        at_ms += draw.expovariate(per_hour * (0.3 if is_night else 1.0) / HOUR_MS)
        number += 1
        time_ms, user = round(at_ms), f"u{number}"
        for _ in range(draw.randrange(1, 6)):
            yield Row(time_ms, VIEW, user, {"category": "shoes", "price": 10.0} | ({"ref": 1} if number % 2 else {}))
            time_ms += draw.randrange(5_000, 40_000)
        if draw.random() < 0.3:
            yield Row(time_ms, CART, user, {"price": 10.0})
            time_ms += draw.randrange(5_000, 60_000)
            if draw.random() < 0.6:
                yield Row(time_ms, PURCHASE, user, {"price": 10.0})


def tracked(stream: Iterator[Row], change: Change | None = None) -> TrackedRows:
    """Rows in the order of their times, with what a state would know of its user's hour."""
    rows = [row for one in stream for row in (change(one) if change and one.at_ms >= BREAKS_MS else [one])]
    rows.sort(key=lambda row: row.at_ms)
    counts: dict[tuple[str, int, int], int] = {}
    newest: dict[str, Row] = {}
    context = []
    for row in rows:
        hour = row.at_ms // HOUR_MS
        nth = counts[row.user, hour, row.kind] = counts.get((row.user, hour, row.kind), 0) + 1
        types = sum(1 << k for k in range(3) if counts.get((row.user, hour, k)) or counts.get((row.user, hour - 1, k)))
        before = newest.get(row.user)
        repeat_ms = row.at_ms - before.at_ms if before and before.kind == row.kind else -1
        context.append(structs.replace(FACTS, nth=nth, types=types if nth == 1 else 0, repeat_ms=repeat_ms))
        newest[row.user] = row
    return TrackedRows(
        [row.at_ms - 10 * MINUTE_MS for row in rows],
        [row.at_ms for row in rows],
        [row.kind for row in rows],
        [row.user for row in rows],
        context,
        [row.properties for row in rows],
        [row.session for row in rows],
    )


def make() -> TrackingWatch:
    return TrackingWatch(TYPES, warm_up_ms=DAY_MS)


def found(change: Change | None, *, days: int = 3, seed: int = 1, **how: float) -> list[tuple[int, Drift]]:
    """What is told, with the time at which it comes to light."""
    rows = tracked(visits(days, seed=seed, **how), change)
    return [(rows.at_ms[row], drift) for row, drifts in make().watch(rows).items() for drift in drifts]


def without(kind: int) -> Change:
    return lambda row: [] if row.kind == kind else [row]


def lacking(kind: int, name: str) -> Change:
    return lambda row: [row._replace(properties=row.properties | {name: None})] if row.kind == kind else [row]


def twice(kind: int) -> Change:
    return lambda row: [row, row._replace(at_ms=row.at_ms + 300)] if row.kind == kind else [row]


@pytest.mark.parametrize(
    ("change", "kind", "name", "relation", "minutes"),
    [
        (without(PURCHASE), MetricKind.TYPE, "purchase", Relation.AFTER, 90),
        (without(CART), MetricKind.TYPE, "cart", Relation.BEFORE, 45),
        (lacking(VIEW, "category"), MetricKind.MISSING, "category", Relation.MISSING, 10),
        (lacking(PURCHASE, "price"), MetricKind.MISSING, "price", Relation.MISSING, 45),
        (twice(VIEW), MetricKind.REPEAT, "view", Relation.REPEAT, 15),
        (twice(PURCHASE), MetricKind.REPEAT, "purchase", Relation.REPEAT, 45),
    ],
)
def test_each_way_to_break_is_told_once_with_its_cause(
    change: Change, kind: MetricKind, name: str, relation: Relation, minutes: float
) -> None:
    ((at_ms, drift),) = found(change)
    assert (drift.subject.kind, drift.subject.name, drift.verdict) == (kind, name, DriftVerdict.TRACKING_BROKE)
    assert drift.watched is not None
    assert drift.watched.relation is relation
    assert BREAKS_MS < at_ms < BREAKS_MS + minutes * MINUTE_MS
    assert abs(drift.since_ms - BREAKS_MS) < 30 * MINUTE_MS


@pytest.mark.parametrize("seed", [1, 2])
def test_two_weeks_with_nights_tell_nothing(seed: int) -> None:
    assert found(None, days=14, seed=seed) == []


def test_three_times_the_visits_of_whom_more_buy_are_no_break() -> None:
    def sale(row: Row) -> list[Row]:
        more = [row._replace(user=f"{row.user}/{copy}") for copy in range(3)]
        buyers = [one for one in more if one.kind == VIEW and row.at_ms % 3 == 0]
        carts = [one._replace(kind=CART, at_ms=one.at_ms + 1_000, properties={"price": 9.0}) for one in buyers]
        return [*more, *carts, *(cart._replace(kind=PURCHASE, at_ms=cart.at_ms + 1_000) for cart in carts)]

    assert found(sale) == []


def test_one_user_is_not_the_tracking() -> None:
    """A client of another make sends views without category, day and night."""
    own = [Row(at_ms, VIEW, "odd", {"price": 1.0}) for at_ms in range(BREAKS_MS, 4 * DAY_MS, 2_000)]
    rows = tracked(iter([*visits(4), *own]))
    assert make().watch(rows) == {}


def test_several_properties_that_go_at_once_are_one_incident() -> None:
    def bare(row: Row) -> list[Row]:
        return [row._replace(properties={})]

    ((_, drift),) = found(bare)
    assert drift.subject.kind is MetricKind.MISSING
    assert {other.kind for other in drift.others} <= {MetricKind.MISSING}


def test_a_break_that_is_repaired_and_comes_again_is_told_again() -> None:
    def at_times(row: Row) -> list[Row]:
        return lacking(VIEW, "category")(row) if row.at_ms // HOUR_MS % 12 < 2 else [row]

    assert len(found(at_times, days=4)) >= 2


def test_names_of_properties_are_bounded() -> None:
    def many(row: Row) -> list[Row]:
        return [row._replace(properties=row.properties | {f"p{row.at_ms}": 1})]

    watch = make()
    watch.watch(tracked(visits(3), many))
    assert all(watch.occasions.watched(column) for column in range(watch.occasions.n) if _is_known(watch, column))
    assert max(len(names) for names in watch.occasions._names) == MOST_NAMES


def _is_known(watch: TrackingWatch, column: int) -> bool:
    return bool(watch.tests.trials[column] or watch.tests.hits[column])


@pytest.mark.parametrize("cut", [1, 7, 1_000])
def test_rows_may_come_in_any_batches_and_a_snapshot_changes_nothing(cut: int) -> None:
    rows = tracked(visits(3), without(PURCHASE))
    start, stop = len(rows.at_ms) - 3_000, len(rows.at_ms)
    whole, parts = make(), make()
    whole.watch(_part(rows, 0, start))
    parts.watch(_part(rows, 0, start))
    delivered = whole.watch(_part(rows, start, stop))
    again: dict[int, list[Drift]] = {}
    for first in range(start, stop, cut):
        at = parts.watch(_part(rows, first, min(first + cut, stop)))
        again |= {first - start + row: drifts for row, drifts in at.items()}
        if first // cut % 400 == 0:
            blob = dumps(parts, key=b"k", feature_hash="f")
            parts = loads(blob, key=b"k", feature_hash="f")  # type: ignore[assignment]  # what was written
            assert len(blob) < 20_000
    assert delivered
    assert again == delivered
    assert digest(parts) == digest(whole)


def _part(rows: TrackedRows, start: int, stop: int) -> TrackedRows:
    part = slice(start, stop)
    return TrackedRows(
        rows.watermarks_ms[part],
        rows.at_ms[part],
        rows.types[part],
        rows.entities[part],
        rows.context[part],
        rows.properties[part],
        rows.sessions[part],
    )

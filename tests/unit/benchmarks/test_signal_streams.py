"""Streams of the signal benchmark: deterministic, with days and nights, and with what is planted in them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random
from statistics import median, pstdev
from typing import Any

import orjson
import pytest

from benchmarks.signal.incidents import INCIDENTS
from benchmarks.signal.people import World, draw_calendar
from benchmarks.signal.planted import PLANTERS, Planted, plant
from benchmarks.signal.shop import HOUR_MS, MINUTE_MS, draw_shop
from benchmarks.signal.streams import Stream, days_apart, equal_weeks, everything, incident, nothing

EVENTS = 6_000


@pytest.fixture(scope="module")
def all_together() -> Stream:
    return everything(3, EVENTS, each=3)


def values(stream: Stream) -> list[dict[str, Any]]:
    return [orjson.loads(record.value or b"") for record in stream.records]


def pauses_s(planted: Planted) -> list[float]:
    times = [event.time_ms for event in planted.events]
    return [(after - before) / 1000 for before, after in pairwise(times)]


def test_a_seed_gives_the_same_stream_and_another_seed_another() -> None:
    first, again, other = nothing(1, EVENTS), nothing(1, EVENTS), nothing(2, EVENTS)
    assert first.records == again.records
    assert first.users.isdisjoint(other.users)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_normal_life_has_about_the_events_asked_for_over_all_days(seed: int) -> None:
    stream = nothing(seed, EVENTS)
    assert 0.6 * EVENTS < len(stream.records) < 1.6 * EVENTS
    days = Counter((time_ms - stream.calendar.start_ms) // (24 * HOUR_MS) for time_ms in stream.times)
    assert sorted(days) == list(range(14))
    assert max(days.values()) < 3 * median(days.values())


def test_records_are_in_order_of_arrival_a_few_are_late_and_a_few_come_twice(all_together: Stream) -> None:
    assert all_together.arrivals == sorted(all_together.arrivals)
    assert any(arrival > time for arrival, time in zip(all_together.arrivals, all_together.times, strict=True))
    ids = Counter(value["event_id"] for value in values(all_together))
    assert 0 < sum(count == 2 for count in ids.values()) < 0.01 * len(ids)


def test_ids_of_planted_users_look_like_any_other(all_together: Stream) -> None:
    assert {len(user) for user in all_together.users} == {12}


def test_planted_events_are_in_the_stream_where_their_positions_say(all_together: Stream) -> None:
    by_kind = Counter(planted.kind for planted in all_together.planted)
    assert by_kind == dict.fromkeys((*PLANTERS, "fast_bot_again"), 3)
    for planted in all_together.planted:
        users = {all_together.records[position].key for position in planted.positions}
        assert users == {planted.user_id.encode()}


def test_planted_users_do_what_their_names_say(all_together: Stream) -> None:
    for planted in all_together.planted:
        pauses = pauses_s(planted)
        match planted.kind:
            case "fast_bot" | "fast_bot_again":
                assert median(pauses) < 1.2
                assert len(pauses) > 100
            case "crawler":
                assert pstdev(pauses) < 0.1 * median(pauses)
            case "impulsive":
                assert max(pauses) < 3.0
                assert sum(event.event_type == "cart" for event in planted.events) >= 5
            case "tired":
                assert planted.events[-1].time_ms - planted.events[0].time_ms > 30 * MINUTE_MS
                assert max(pauses) < 30 * 60
            case "takeover":
                before = [event.properties["price"] for event in planted.past if event.event_type == "purchase"]
                now = [event.properties["price"] for event in planted.events if event.event_type == "purchase"]
                assert min(now) > 6 * sum(before) / len(before)
            case _:
                assert planted.events


@pytest.mark.parametrize("kind", INCIDENTS)
def test_an_incident_changes_its_interval_alone(kind: str) -> None:
    stream = incident(kind, 5, EVENTS)
    (what,) = stream.incidents
    within = [value for value in values(stream) if what.from_ms <= value["event_time"] < what.until_ms]
    without = [value for value in values(stream) if not what.from_ms <= value["event_time"] < what.until_ms]
    if kind == "purchases_lost":
        assert not any(value["event_type"] == "purchase" for value in within)
        assert any(value["event_type"] == "purchase" for value in without)
    elif kind == "property_lost":
        event_type, _, name = what.what.partition(".")
        assert not any(name in value["properties"] for value in within if value["event_type"] == event_type)
        assert all(name in value["properties"] for value in without if value["event_type"] == event_type)
    elif kind == "doubled_type":
        assert repeats(within, what.what) > 0.4 > repeats(without, what.what)
    else:
        slow = [value["properties"]["latency_ms"] for value in within if value["event_type"] == "checkout"]
        usual = [value["properties"]["latency_ms"] for value in without if value["event_type"] == "checkout"]
        assert not slow or median(slow) > 3 * median(usual)


def repeats(events: list[dict[str, Any]], event_type: str) -> float:
    """Share of the events of a type that repeat the one before of the same visit within a quarter of a second."""
    of_type: list[tuple[str, int]] = sorted(
        (value["session_id"], value["event_time"]) for value in events if value["event_type"] == event_type
    )
    near: list[bool] = [after[0] == before[0] and after[1] - before[1] <= 250 for before, after in pairwise(of_type)]
    return sum(near) / max(1, len(near))


def test_a_sale_day_is_busier_and_its_days_are_told_apart() -> None:
    stream = days_apart(2, EVENTS)
    kinds = [apart.kind for apart in stream.incidents]
    assert kinds[:2] == ["sale_day", "holiday"]
    sale = stream.incidents[0]
    a_day = len(stream.records) / stream.calendar.days
    assert stream.events_of(sale) > 1.7 * a_day


def test_office_users_rest_at_the_weekend_and_saturday_shoppers_come_then() -> None:
    stream = equal_weeks(1, EVENTS)
    weekdays: dict[str, set[int]] = {}
    for record, time_ms in zip(stream.records, stream.times, strict=True):
        day = (time_ms - stream.calendar.start_ms) // (24 * HOUR_MS)
        weekdays.setdefault((record.key or b"").decode(), set()).add(stream.calendar.weekday(day))
    saturday_only = sum(days == {5} for days in weekdays.values())
    working_days = sum(not days & {5, 6} for days in weekdays.values())
    assert saturday_only > 0.4 * len(weekdays)
    assert working_days > 0.2 * len(weekdays)


def test_prices_have_a_heavy_tail() -> None:
    prices = [product.price for of in draw_shop(Random(3)).products.values() for product in of]
    assert max(prices) > 4 * median(prices)


def test_every_planter_plants() -> None:
    rng = Random(11)
    world = World(11, draw_calendar(rng, 5), draw_shop(rng))
    assert {planted.kind for planted in plant(world, dict.fromkeys(PLANTERS, 1))} >= set(PLANTERS)

"""What a feature comes to, for users whose days can be told in a line."""

from __future__ import annotations

from math import isnan
from typing import Any

import pytest

from support.folding import PLAN, fold_all
from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event
from ubi_stream.features.event_context import context_of
from ubi_stream.features.registry import all_features
from ubi_stream.state.model import UserState


def value(name: str, *contents: dict[str, Any], state: UserState | None = None) -> float:
    """The feature right after the last of these events."""
    state = fold_all(*contents) if state is None else state
    return all_features()[name].extract(state, contents[-1]["event_time"] if contents else state.last_ms, PLAN)


def usual(name: str, *contents: dict[str, Any]) -> float:
    extract = all_features()[name].usual
    assert extract is not None
    return extract(fold_all(*contents), contents[-1]["event_time"], PLAN)


def at(minutes: float, **fields: Any) -> dict[str, Any]:
    return event(at_ms=START_MS + round(minutes * MINUTE_MS), **fields)


def daily(days: int, each: int = 1) -> list[dict[str, Any]]:
    return [event(at_ms=START_MS + day * DAY_MS + n * MINUTE_MS) for day in range(days) for n in range(each)]


BUY = {"event_type": "purchase"}
CART = {"event_type": "cart"}
ZONE = {"context": {"utc_offset_min": 0}}


def spaced(*pauses_s: float, **fields: Any) -> list[dict[str, Any]]:
    """Events with these pauses between them."""
    return [at(sum(pauses_s[:n]) / 60, **fields) for n in range(len(pauses_s) + 1)]


@pytest.mark.parametrize(
    ("name", "contents", "expected"),
    [
        ("events_5m", [at(0), at(4), at(6), at(7)], 2),
        ("events_1h", [at(0), at(30), at(61)], 2),
        ("events_24h", [at(0), at(23 * 60), at(24 * 60)], 2),
        ("events_7d", daily(10), 7),
        ("interests_1h", [at(0), at(1, event_type="cart"), at(2)], 2),
        ("intents_24h", [at(0, event_type="cart"), at(2)], 1),
        ("conversions_30d", [at(0, **BUY), at(2, **BUY), at(3)], 2),
        ("conversion_rate_30d", [at(0), at(1), at(2), at(3), at(4, **BUY)], 0.25),
        ("lifetime_events", daily(50), 50),
        ("distinct_categories", [at(0, category="a"), at(1, category="b"), at(2, category="a")], 2),
        ("amount_24h", [at(0, price=2, **BUY), at(1, price=3.5, **BUY)], 5.5),
        ("amount_30d", [at(0, price=2, **BUY), at(3000, price=3.5, **BUY)], 5.5),
        ("mean_amount_30d", [at(0, price=2, **BUY), at(1, price=4, **BUY)], 3.0),
        ("last_amount", [at(0, price=2, **BUY), at(1, price=4)], 2.0),
        ("spending_volatility", [at(n, price=[10, 20, 10, 20, 0][n], **BUY) for n in range(5)], 56**0.5),
        ("amount_ratio", [at(n, price=[10, 20, 30, 60][n], **BUY) for n in range(4)], 3.0),
        ("days_since_conversion", [at(0, **BUY), at(36 * 60)], 1.5),
        ("session_duration_min", [at(0), at(5), at(8)], 8.0),
        ("session_depth", [at(0), at(60), at(61)], 2),
        ("session_interests", [at(0), at(1, **BUY)], 1),
        ("session_intents", [at(0, event_type="cart"), at(1)], 1),
        ("session_conversions", [at(0, **BUY), at(1)], 1),
        ("events_10s", spaced(5, 5, 9), 2),
        ("events_60s", spaced(*[0.05] * 199), 200),
        ("events_60s", [*spaced(30, 20), at(0.1)], 4),  # the last one comes late
        ("busy_seconds_10s", spaced(0.1, 0.1, 0.1, 3), 2),
        ("intents_60s", [*spaced(30, 29, **CART), at(2)], 0),
        ("intents_60s", spaced(30, 29, **CART), 3),
        ("intents_5m", [*spaced(100, 100, **CART), at(6)], 2),
        ("session_pace_s", spaced(2, 2, 2, 2), 2.0),
        ("session_pace_s", spaced(1, 1, 1, 11), 4.0),
        ("longest_pause_s", spaced(9, 2, 2, 2, 2, 0.5, 2, 2.5, 2), 2.5),
        ("pause_spread", spaced(*[20.001] * 12), 0.0),
        ("pause_spread", spaced(*[20] * 12), 1 / 20),
        ("pause_spread", spaced(*[20.5, 21] * 6), 0.5 / 21),
        ("pause_spread", spaced(*[20.001] * 11, 100), 0.0),
        ("pause_spread", spaced(*[1.5, 2, 3, 4] * 4), 2.5 / 3),
        ("active_min_24h", [at(0), at(5), at(8), at(60), at(62)], 10.0),
        ("active_min_24h", [at(0), at(5), at(24 * 60), at(24 * 60 + 2)], 2.0),
        ("sessions", [at(0), at(60), at(120)], 3),
        ("bounce_rate", [at(0), at(60), at(61), at(120)], 0.5),
        ("cart_abandon_rate", [at(0, event_type="cart"), at(60, event_type="cart"), at(61, **BUY), at(120)], 0.5),
        ("rolling_latency_ms", [at(0, latency_ms=100), at(1, latency_ms=300), at(2, latency_ms=9)], 200.0),
        ("last_latency_ms", [at(0, latency_ms=100), at(1)], 100.0),
        ("recency_s", [at(0), at(2)], 120.0),
        ("burstiness", [at(n) for n in range(10)], -1.0),
        ("night_share", [at(n * 6 * 60, **ZONE) for n in range(4)], 0.25),
        ("is_night", [at(4 * 60 + 59, **ZONE)], 1.0),
        ("is_night", [at(5 * 60, **ZONE)], 0.0),
        ("local_hour", [at(4 * 60 + 30, context={"utc_offset_min": 120})], 6.5),
        ("known_days", [at(0), at(36 * 60)], 1.5),
        ("rate_ratio", [*daily(10), event(at_ms=START_MS + 9 * DAY_MS + HOUR_MS)], 2.0),
        ("hour_surprise", [at(n * 24 * 60, **ZONE) for n in range(40)], 0.0),
    ],
)
def test_value(name: str, contents: list[dict[str, Any]], expected: float) -> None:
    assert value(name, *contents) == pytest.approx(expected)


MISSING_AT_FIRST = (
    "conversion_rate_30d",
    "mean_amount_30d",
    "last_amount",
    "spending_volatility",
    "days_since_conversion",
    "bounce_rate",
    "cart_abandon_rate",
    "rolling_latency_ms",
    "last_latency_ms",
    "recency_s",
    "burstiness",
    "amount_z",
    "latency_z",
    "activity_z",
    "hour_surprise",
    "rate_ratio",
    "amount_ratio",
    "session_pace_s",
    "longest_pause_s",
    "pause_spread",
    "session_hour_share",
    "session_new_categories",
    "session_amount_ratio",
    "is_night",
    "night_share",
    "local_hour",
    "exact_mean_amount_1d",
)


@pytest.mark.parametrize("name", MISSING_AT_FIRST)
def test_a_feature_is_missing_and_not_zero_before_it_can_be_told(name: str) -> None:
    assert isnan(value(name, at(0, event_type="cart")))


def test_the_night_is_where_the_user_is() -> None:
    assert value("is_night", at(0, context={"utc_offset_min": 300})) == 0.0
    assert value("is_night", at(20 * 60, context={"timezone": "Asia/Tokyo"})) == 0.0
    assert value("is_night", at(16 * 60, context={"timezone": "Asia/Tokyo"})) == 1.0


def test_there_is_no_night_where_nothing_names_the_zone() -> None:
    day = [at(0, **ZONE), at(60)]
    assert [isnan(value(name, *day)) for name in ("is_night", "night_share", "local_hour")] == [True] * 3


def test_the_pace_needs_four_pauses_and_late_events_are_none() -> None:
    assert isnan(value("session_pace_s", *spaced(2, 2, 2)))
    assert value("session_pace_s", *spaced(2, 2, 2, 2), at(0.05), at(0.1)) == 2.0


def test_many_events_of_one_page_do_not_make_a_hurry() -> None:
    pages = spaced(*[0.1, 0.1, 0.1, 0.1, 9.0] * 8, 0.1, 0.1, 0.1, 0.1)
    assert value("session_pace_s", *pages) < 3
    assert value("longest_pause_s", *pages) == 9.0
    assert value("busy_seconds_10s", *pages) <= 3


def test_an_amount_far_from_the_own_ones_is_many_deviations_away() -> None:
    usual_amounts = [at(n, price=20 + n % 3, **BUY) for n in range(10)]
    assert abs(value("amount_z", *usual_amounts)) < 2
    assert value("amount_z", *usual_amounts, at(11, price=500, **BUY)) == 10.0
    assert value("amount_z", *usual_amounts, at(11, price=0.01, **BUY)) == -10.0


def test_a_latency_far_from_the_own_ones_is_many_deviations_away() -> None:
    steps = [at(n, latency_ms=100 + n % 5) for n in range(10)]
    assert value("latency_z", *steps, at(11, latency_ms=4000)) == 10.0


def test_activity_is_compared_with_the_same_hour_of_other_days() -> None:
    calm = daily(12, each=2)
    assert abs(value("activity_z", *calm)) < 1
    burst = [event(at_ms=START_MS + 12 * DAY_MS + n * 1000) for n in range(60)]
    assert value("activity_z", *calm, *burst) > 5


def test_an_hour_without_history_surprises() -> None:
    days = [at(n * 24 * 60, **ZONE) for n in range(40)]
    assert value("hour_surprise", *days, at(40 * 24 * 60 + 720, **ZONE)) > 0.5


@pytest.mark.parametrize(
    ("name", "contents", "expected"),
    [
        ("events_24h", daily(5, each=3), 3.0),
        ("last_amount", [at(n, price=p, **BUY) for n, p in enumerate((10, 20, 99))], 15.0),
        ("recency_s", [at(0), at(1), at(3)], 90.0),
        ("session_duration_min", [at(0), at(4), at(60)], 4.0),
        ("session_depth", [at(0), at(4), at(60)], 2.0),
        ("last_latency_ms", [at(0, latency_ms=50), at(1, latency_ms=70)], 50.0),
    ],
)
def test_what_is_usual(name: str, contents: list[dict[str, Any]], expected: float) -> None:
    assert usual(name, *contents) == pytest.approx(expected)


@pytest.mark.parametrize(
    "name", ["events_24h", "last_amount", "recency_s", "session_duration_min", "session_depth", "last_latency_ms"]
)
def test_nothing_is_usual_at_first(name: str) -> None:
    assert isnan(usual(name, at(0)))


class TestFacts:
    def context(self, *contents: dict[str, Any]) -> Any:
        return context_of(
            fold_all(*contents), contents[-1]["event_time"], PLAN.type_index[contents[-1]["event_type"]], PLAN
        )

    def test_the_first_event_was_silent_for_no_time(self) -> None:
        assert self.context(at(0)).was_silent_ms == -1

    def test_silence_is_before_the_newest_event_only(self) -> None:
        assert self.context(at(0), at(90)).was_silent_ms == 90 * MINUTE_MS
        assert self.context(at(0), at(90), at(89)).was_silent_ms == 0

    def test_the_first_of_a_pane_is_so_once_also_with_late_events(self) -> None:
        assert self.context(at(0)).first_in_pane
        assert not self.context(at(0), at(1)).first_in_pane
        assert self.context(at(0), at(6)).first_in_pane
        assert not self.context(at(0), at(6), at(5.5)).first_in_pane
        assert self.context(at(0), at(11), at(6)).first_in_pane

"""Two states become one: sums in any order, means of all values."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.folding import PLAN, fold_all
from support.probe import DAY_MS, HOUR_MS, START_MS, event, probe_pack
from ubi_stream.packs.plan import compile_plan
from ubi_stream.state.aggregates import distinct_of, largest_of, sum_of
from ubi_stream.state.ewma import Baseline
from ubi_stream.state.log import log_event
from ubi_stream.state.merge import _merge_log, _merge_rules, merge_state, pooled
from ubi_stream.state.model import Logged, UserState
from ubi_stream.state.risks import note_day, note_rule, note_step

VALUES = st.lists(st.floats(-1e3, 1e3), max_size=10)
EVENTS = st.lists(
    st.tuples(st.integers(0, 300), st.sampled_from(["view", "cart", "purchase"]), st.sampled_from("abc")), max_size=12
)


def state_of(drawn: list[tuple[int, str, str]]) -> UserState:
    return fold_all(
        *(
            event(at_ms=START_MS + minute * 60_000, event_type=kind, category=category, price=2.0, latency_ms=minute)
            for minute, kind, category in drawn
        )
    )


def merged(one: UserState, other: UserState) -> UserState:
    state, taken = (msgspec.msgpack.decode(msgspec.msgpack.encode(part), type=UserState) for part in (one, other))
    merge_state(state, taken, PLAN)
    return state


@settings(max_examples=40, deadline=None)
@given(EVENTS, EVENTS)
def test_which_of_two_is_merged_into_which_does_not_matter(
    first: list[tuple[int, str, str]], second: list[tuple[int, str, str]]
) -> None:
    one, other = state_of(first), state_of(second)
    there, back = merged(one, other), merged(other, one)
    for name in ("minutes", "hours", "days"):
        mine, theirs = getattr(there, name), getattr(back, name)
        width = max(len(mine.total), len(theirs.total))
        totals = [[*ring.total, *[0] * (width - len(ring.total))] for ring in (mine, theirs)]
        assert (mine.head, mine.panes, totals[0]) == (theirs.head, theirs.panes, totals[1])
    for name in (
        "first_ms", "last_ms", "events", "conversions", "hour_profile", "categories",
        "event_seconds", "intent_seconds", "active_hours", "spent", "habits", "active_days", "late",
    ):  # fmt: skip
        mine, theirs = getattr(there, name), getattr(back, name)
        if name == "hour_profile":
            mine, theirs = mine or [0] * 24, theirs or [0] * 24
        assert mine == theirs, name


@given(VALUES, VALUES)
def test_a_pooled_baseline_has_mean_and_variance_of_all_values(first: list[float], second: list[float]) -> None:
    one, other, both = Baseline(), Baseline(), Baseline()
    for values, baselines in ((first, (one, both)), (second, (other, both))):
        for value in values:
            for baseline in baselines:
                baseline.add(value, 0.05) if baseline.n < 10 else None
    if len(first) + len(second) > 10:
        return  # from there on a baseline forgets, and bounds what is far out
    found = pooled(one, other, 0.05) or Baseline()
    assert found.n == both.n
    assert found.mean == pytest.approx(both.mean, abs=1e-6)
    assert found.variance == pytest.approx(both.variance, rel=1e-6, abs=1e-6)


DECLARED = """
[[features]]
name = "carts_24h"
kind = "count"
types = ["cart"]
window = "24h"
title = "carts"

[[features]]
name = "largest_7d"
kind = "max"
property = "price"
window = "7d"
title = "largest"

[[features]]
name = "categories_24h"
kind = "distinct"
property = "category"
window = "24h"
title = "categories"

[outputs]
"""


def test_declared_features_count_both() -> None:
    plan = compile_plan(probe_pack(("[outputs]\n", DECLARED)), "user")
    assert plan.declared is not None
    one = fold_all(event(event_type="cart", price=5, category="x"), event(at_ms=START_MS + HOUR_MS), plan=plan)
    other = fold_all(
        event("v", START_MS + HOUR_MS, "cart", price=9, category="y"),
        event("v", START_MS + HOUR_MS, category="x"),
        plan=plan,
    )
    merge_state(one, other, plan)
    carts, largest, categories = (aggregation for _, aggregation in plan.declared.features)
    now_ms = START_MS + HOUR_MS
    assert sum_of(one.aggregates, None, carts, now_ms)[1] == 2
    assert largest_of(one.aggregates, None, largest, now_ms) == 9_000_000
    assert distinct_of(one.aggregates, None, categories, now_ms) == 2


def test_how_far_a_rule_was_met_today_is_the_furthest_of_both() -> None:
    one, other = UserState(), UserState()
    for state, steps in ((one, {0: 2}), (other, {0: 1, 1: 3})):
        note_day(state, 100)
        note_rule(state, "slow", START_MS, 100, 1, PLAN)
        for way, step in steps.items():
            note_step(state, "slow", 100, way, step)
    _merge_rules(one, other)
    assert [note_step(one, "slow", 100, way, 0) for way in (0, 1)] == [2, 3]


def test_an_exact_log_is_that_of_one_id_also_where_events_expire() -> None:
    days = [[DAY_MS * day for day in range(*span)] for span in ((0, 50, 7), (3, 90, 7))]
    plan = compile_plan(probe_pack(), "shop")
    one, other, both = UserState(), UserState(), UserState()
    for state, times in ((one, days[0]), (other, days[1]), (both, sorted(days[0] + days[1]))):
        for at_ms in times:
            log_event(state, Logged(at_ms, 0, 0, 0), delay_ms=plan.delay_ms, max_events=plan.entity.exact_max_events)
            state.last_ms = at_ms
    _merge_log(one, other, plan)
    assert [entry.time_ms for entry in one.log] == [entry.time_ms for entry in both.log]
    assert one.log_dropped == both.log_dropped

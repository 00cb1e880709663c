"""Declared features are what a plain list of all events says, in any order and however the stream is cut."""

from __future__ import annotations

from math import isclose, isnan
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.declared import declarations, expected, pack_with
from support.folding import Runner, events_of, fold_all
from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event
from ubi_stream.features.declared import declared_values
from ubi_stream.packs.plan import compile_plan
from ubi_stream.state.codec import decode_state, encode_state
from ubi_stream.state.fold import fold
from ubi_stream.state.model import UserState

DECLARED = declarations()
PACKS = [pack_with(DECLARED[start : start + 40]) for start in (0, 40)]
PLANS = [compile_plan(pack, "user") for pack in PACKS]
EDGES = st.sampled_from([MINUTE_MS, 5 * MINUTE_MS, HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS])
times = (
    st.integers(START_MS, START_MS + 40 * DAY_MS)
    | st.integers(START_MS, START_MS + HOUR_MS)
    | st.builds(lambda edge, step: START_MS + edge + step, EDGES, st.sampled_from([-1, 0, 1]))
)
contents = st.builds(
    event,
    at_ms=times,
    event_type=st.sampled_from(["view", "cart", "purchase"]),
    properties=st.fixed_dictionaries(
        {},
        optional={
            "weight_kg": st.integers(-1000, 10_000).map(lambda grams: grams / 1000),
            "stock": st.integers(0, 5),
            "gift": st.booleans(),
            "brand": st.sampled_from([f"b{n}" for n in range(6)]),
        },
    ),
).map(lambda content: {"properties": {}, **content})


def same(one: float, other: float) -> bool:
    return (isnan(one) and isnan(other)) or isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)


@settings(max_examples=150, deadline=None)
@given(st.lists(contents, min_size=1, max_size=30), st.sampled_from(PLANS))
def test_every_feature_is_what_the_list_of_events_says(events: list[dict[str, Any]], plan: Any) -> None:
    state = UserState()
    for number, item in enumerate(events_of(*events, plan=plan), start=1):
        fold(state, item, plan)
        values = declared_values(state, item.event_time_ms, plan)
        for (one, _), value in zip(plan.declared.features, values, strict=True):
            wanted = expected(one, events[:number])
            assert same(value, wanted), f"{one.name}: {value} instead of {wanted}"


@settings(max_examples=60, deadline=None)
@given(st.lists(contents, min_size=1, max_size=25), st.sampled_from(PLANS), st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_change_a_window(events: list[dict[str, Any]], plan: Any, random: Any) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    values = [declared_values(fold_all(*order, plan=plan), 0, plan) for order in (events, shuffled)]
    for (one, _), first, second in zip(plan.declared.features, *values, strict=True):
        # Of two events of one time, the one that comes later is the newest.
        assert one.window == "visit" or one.kind == "last" or same(first, second), one.name


@settings(max_examples=60, deadline=None)
@given(st.lists(contents, max_size=20), st.sets(st.integers(0, 20)), st.sampled_from(PLANS))
def test_a_state_that_is_written_and_read_goes_on_as_before(
    events: list[dict[str, Any]], cuts: set[int], plan: Any
) -> None:
    state = UserState()
    for position, item in enumerate(events_of(*events, plan=plan)):
        if position in cuts:
            state = decode_state(encode_state(state, epoch=1, offset=position))[1]
        fold(state, item, plan)
    assert state == fold_all(*events, plan=plan)


@settings(max_examples=20, deadline=None)
@given(st.lists(contents, min_size=2, max_size=20), st.integers(1, 19), st.sampled_from(PACKS))
def test_where_a_stream_is_cut_does_not_change_a_feature(events: list[dict[str, Any]], cut: int, pack: Any) -> None:
    whole, parts = Runner(pack), Runner(pack)
    in_parts = [row for part in (events[:cut], events[cut:]) if part for row in parts.run(*part).features]
    assert in_parts == whole.run(*events).features

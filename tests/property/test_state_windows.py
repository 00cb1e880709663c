"""The order of events does not change windows, and folding in parts is folding at once."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.folding import EXACT_PLAN, PLAN, events_of, fold_all
from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event
from ubi_stream.state.codec import decode_state, encode_state
from ubi_stream.state.fold import fold
from ubi_stream.state.log import window
from ubi_stream.state.model import UserState

contents = st.builds(
    event,
    at_ms=st.integers(START_MS, START_MS + 40 * DAY_MS) | st.integers(START_MS, START_MS + HOUR_MS),
    event_type=st.sampled_from(["view", "cart", "purchase"]),
    price=st.floats(-1e4, 1e6) | st.integers(0, 100),
    latency_ms=st.floats(0, 1e5),
    category=st.sampled_from([f"c{n}" for n in range(20)]),
    session_id=st.none() | st.sampled_from(["a", "b", "c"]),
)
within_an_hour = st.builds(
    event,
    at_ms=st.integers(START_MS, START_MS + 55 * MINUTE_MS),
    event_type=st.sampled_from(["view", "cart", "purchase"]),
    price=st.decimals(0, 10_000, places=2).map(float),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(within_an_hour, min_size=1, max_size=25), st.randoms(use_true_random=False))
def test_any_order_within_the_rings_gives_the_same_windows(events: list[dict[str, Any]], random: Any) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    one, other = fold_all(*events), fold_all(*shuffled)
    assert (one.minutes, one.hours, one.days) == (other.minutes, other.hours, other.days)
    assert (one.events, one.last_ms, one.conversions, one.late) == (other.events, other.last_ms, other.conversions, 0)
    assert one.hour_profile == other.hour_profile


@settings(max_examples=100, deadline=None)
@given(st.lists(contents, min_size=1, max_size=25), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_windows_of_a_log(events: list[dict[str, Any]], random: Any) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    one, other = (fold_all(*order, plan=EXACT_PLAN) for order in (events, shuffled))
    newest = max(one.last_ms, other.last_ms)
    for width_ms in (DAY_MS, 7 * DAY_MS, 30 * DAY_MS):
        end_ms = newest - EXACT_PLAN.delay_ms
        assert window(one, end_ms, width_ms) == window(other, end_ms, width_ms)


@settings(max_examples=100, deadline=None)
@given(st.lists(contents, max_size=25), st.sets(st.integers(0, 25)), st.sampled_from([PLAN, EXACT_PLAN]))
def test_folding_in_parts_with_a_codec_between_is_folding_at_once(
    events: list[dict[str, Any]], cuts: set[int], plan: Any
) -> None:
    whole = fold_all(*events, plan=plan)
    state = UserState()
    for position, item in enumerate(events_of(*events, plan=plan)):
        if position in cuts:
            state = decode_state(encode_state(state, epoch=1, offset=position))[1]
        fold(state, item, plan)
    assert state == whole
    assert decode_state(encode_state(whole, epoch=1, offset=-1))[1] == whole


@settings(max_examples=100, deadline=None)
@given(st.lists(contents, min_size=1, max_size=30))
def test_a_ring_has_what_a_plain_count_has(events: list[dict[str, Any]]) -> None:
    """The rings against a list of all events; in order of time, so that none comes too late."""
    ordered = sorted(events, key=lambda content: content["event_time"])
    state = fold_all(*ordered)
    newest = state.last_ms
    for ring, width_ms, length in ((state.minutes, 300_000, 12), (state.hours, HOUR_MS, 24), (state.days, DAY_MS, 30)):
        since = (newest // width_ms - length + 1) * width_ms
        inside = [content for content in ordered if content["event_time"] >= since]
        assert sum(ring.total[1:]) == len(inside)
        spent = sum(round(c["properties"]["price"] * 1_000_000) for c in inside if c["event_type"] == "purchase")
        assert ring.total[0] == spent
        assert len(ring.panes) <= length
        assert sum(map(sum, (cell[1:] for cell in ring.panes.values()))) == len(inside)

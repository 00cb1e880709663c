"""What else an event leaves in a state: rhythm, money, latency, categories, local time."""

from __future__ import annotations

import pytest

from support.folding import fold_all
from support.probe import DAY_MS, MINUTE_MS, START_MS, event
from ubi_stream.events.numbers import MAX_AMOUNT
from ubi_stream.state.codec import decode_state, encode_state
from ubi_stream.state.ewma import Baseline
from ubi_stream.state.fold import number
from ubi_stream.state.novelty import MAX_CATEGORIES


@pytest.mark.parametrize(("value", "expected"), [(12, 12.0), (-3.5, -3.5), (True, None), (None, None), ("12", None)])
def test_a_number_is_read_on_arrival_and_taken_as_it_is(value: object, expected: float | None) -> None:
    assert number({"price": value}, "price") == expected


def test_without_a_role_there_is_no_number() -> None:
    assert number({"price": 1}, None) is None


def test_money_at_the_bound_never_makes_a_state_that_cannot_be_written() -> None:
    state = fold_all(*(event(at_ms=START_MS + n, event_type="purchase", price=MAX_AMOUNT) for n in range(40)))
    assert decode_state(encode_state(state, epoch=1, offset=1))[1] == state
    # ... nor when the panes that hold it expire
    state = fold_all(event(at_ms=START_MS + 31 * DAY_MS), state=state)
    assert decode_state(encode_state(state, epoch=1, offset=1))[1] == state


def test_only_types_with_an_amount_spend() -> None:
    state = fold_all(event(price=5.0), event(event_type="purchase", price=7.0))
    assert state.last_amount == 7.0
    assert state.amount is None


def test_the_newest_amount_enters_the_baseline_when_the_next_one_comes() -> None:
    state = fold_all(*(event(event_type="purchase", price=price) for price in (10.0, 20.0, 90.0)))
    assert state.amount is not None
    assert (state.amount.n, state.amount.mean, state.last_amount) == (2, 15.0, 90.0)


def test_a_negative_latency_is_a_mistake() -> None:
    state = fold_all(event(latency_ms=100), event(latency_ms=-5), event(latency_ms=300))
    assert state.latency_ms is not None
    assert (state.latency_ms.n, state.latency_ms.mean, state.last_latency_ms) == (1, 100.0, 300.0)


def test_gaps_are_between_events_in_order() -> None:
    state = fold_all(event(), event(at_ms=START_MS + 4000), event(at_ms=START_MS + 1000), event(at_ms=START_MS + 6000))
    assert (state.gap_s.n, state.gap_s.mean, state.last_gap_s) == (2, 3.0, 2.0)


def test_the_profile_counts_local_hours() -> None:
    state = fold_all(event(), event(context={"utc_offset_min": 60}), event(at_ms=START_MS + 30 * MINUTE_MS))
    assert state.hour_profile[:2] == [2, 1]
    assert sum(state.hour_profile) == state.events == 3


def test_categories_are_bounded_and_the_least_seen_gives_way() -> None:
    often = [event(category="often") for _ in range(5)]
    many = [event(category=f"c{n}") for n in range(40)]
    state = fold_all(*often, *many, event(category="x" * 500))
    assert len(state.categories) == MAX_CATEGORIES
    assert state.categories["often"] == 5
    assert "x" * 64 in state.categories


@pytest.mark.parametrize(("category", "found"), [("", {}), (None, {}), (7, {"7": 1}), (7.0, {"7": 1})])
def test_a_number_is_a_category_too(category: object, found: dict[str, int]) -> None:
    assert fold_all(event(category=category)).categories == found


def test_a_refund_is_a_value_like_others() -> None:
    state = fold_all(*(event(event_type="purchase", price=price) for price in (50, 70, 90, -90)))
    assert state.amount is not None
    assert (state.newest_amount, state.amount.n, state.amount.mean) == (-90, 3, 70)
    assert state.amount.deviation == pytest.approx(16.33, abs=0.005)
    assert fold_all(event(event_type="purchase", price=-1)).newest_amount == -1
    assert fold_all(event()).newest_amount is None


def test_a_baseline_is_a_plain_mean_at_first_and_then_forgets() -> None:
    baseline = Baseline()
    for value in (1.0, 2.0, 3.0, 4.0):
        baseline.add(value, 0.05)
    assert baseline.mean == 2.5
    assert baseline.deviation == pytest.approx(1.118, abs=1e-3)
    for _ in range(200):
        baseline.add(10.0, 0.05)
    assert baseline.mean == pytest.approx(10.0, abs=0.01)


def test_one_outlier_does_not_become_the_norm() -> None:
    baseline = Baseline()
    for n in range(50):
        baseline.add(100.0 + n % 2, 0.05)
    baseline.add(1e9, 0.05)
    assert baseline.mean < 101
    assert baseline.z(101.0, floor=1.0) < 1.0

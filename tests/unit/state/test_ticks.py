"""Sliding counts over the newest ticks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ubi_stream.state.ticks import Ticks, add_tick, advance, sum_of_last, used_of_last

LENGTH = 60


def counted(ticks: list[int]) -> tuple[Ticks, int]:
    """The window after these ticks, and its newest."""
    window: Ticks = {}
    head = 0
    for tick in ticks:
        advance(window, head, tick, LENGTH)
        head = max(head, tick)
        add_tick(window, head, tick, LENGTH)
    return window, head


def test_a_tick_that_comes_late_counts_in_its_own_place() -> None:
    window, head = counted([100, 130, 129, 131])
    assert sum_of_last(window, head, LENGTH, 2) == 2
    assert sum_of_last(window, head, LENGTH, 3) == 3
    assert used_of_last(window, head, LENGTH, 3) == 3


def test_the_window_is_open_at_its_start() -> None:
    window, head = counted([100, 159])
    assert sum_of_last(window, head, LENGTH, LENGTH) == 2
    window, head = counted([100, 160])
    assert sum_of_last(window, head, LENGTH, LENGTH) == 1


def test_what_comes_later_than_the_window_is_left_out() -> None:
    window, _ = counted([160, 100])
    assert sum(window.values()) == 1


@given(st.lists(st.integers(1000, 1200), min_size=1, max_size=60), st.integers(1, LENGTH))
def test_the_window_holds_what_a_list_of_all_ticks_says(ticks: list[int], last: int) -> None:
    window, head = counted(ticks)
    in_time = [tick for n, tick in enumerate(ticks) if max(ticks[: n + 1]) - tick < LENGTH]
    newest = [tick for tick in in_time if head - tick < last]
    assert sum_of_last(window, head, LENGTH, last) == len(newest)
    assert used_of_last(window, head, LENGTH, last) == len(set(newest))

"""Windows of a log: open at the start, closed at the end, to the millisecond."""

from __future__ import annotations

from support.probe import DAY_MS, HOUR_MS, START_MS
from ubi_stream.state.log import LONGEST_WINDOW_MS, SLACK_MS, LogWindow, log_event, log_label, window
from ubi_stream.state.model import Logged, UserState


def logged(*times_ms: int, delay_ms: int = 0, max_events: int = 100) -> UserState:
    state = UserState()
    for number, time_ms in enumerate(times_ms):
        log_event(state, Logged(time_ms, 1_500_000, 0, number), delay_ms=delay_ms, max_events=max_events)
        state.last_ms = max(state.last_ms, time_ms)
    return state


def test_a_window_is_open_at_its_start_and_closed_at_its_end() -> None:
    #        t - 1 d                         t
    #   *    o*                              *   *     (o: just outside)
    end = START_MS + DAY_MS
    state = logged(START_MS - 1, START_MS, START_MS + 1, end, end + 1)
    assert window(state, end, DAY_MS) == LogWindow(events=2, amount=3.0, bad=0)


def test_a_window_before_the_first_event_is_empty() -> None:
    assert window(logged(START_MS), START_MS - 1, DAY_MS) == LogWindow(0, 0.0, 0)
    assert window(UserState(), START_MS, DAY_MS) == LogWindow(0, 0.0, 0)


def test_a_late_event_is_put_where_it_belongs() -> None:
    state = logged(START_MS, START_MS + 2 * HOUR_MS, START_MS + HOUR_MS)
    assert [entry.time_ms for entry in state.log] == [START_MS, START_MS + HOUR_MS, START_MS + 2 * HOUR_MS]
    assert window(state, START_MS + HOUR_MS, HOUR_MS).events == 1


def test_what_no_window_can_need_any_more_is_dropped() -> None:
    #   |-- delay --|-- 30 days --|-- slack for late ones --|
    reach_ms = LONGEST_WINDOW_MS + SLACK_MS + HOUR_MS
    state = logged(START_MS, START_MS + 1, START_MS + reach_ms, delay_ms=HOUR_MS)
    assert [entry.time_ms for entry in state.log] == [START_MS + 1, START_MS + reach_ms]
    late = Logged(START_MS, 0, 0, 9)
    assert not log_event(state, late, delay_ms=HOUR_MS, max_events=100)
    assert len(state.log) == 2


def test_the_log_is_bounded_and_drops_the_oldest() -> None:
    state = logged(*(START_MS + n for n in range(25)), max_events=10)
    assert [entry.reference for entry in state.log] == list(range(15, 25))
    assert state.log_dropped == 15


def test_a_label_after_its_event_counts() -> None:
    state = logged(START_MS, START_MS + 1)
    assert log_label(state, 1, bad=True)
    assert window(state, START_MS + 1, DAY_MS).bad == 1
    assert window(state, START_MS, DAY_MS).bad == 0


def test_the_last_of_several_labels_stands() -> None:
    state = logged(START_MS)
    assert log_label(state, 0, bad=True)
    assert log_label(state, 0, bad=True)
    assert window(state, START_MS, DAY_MS).bad == 1
    assert log_label(state, 0, bad=False)
    assert window(state, START_MS, DAY_MS).bad == 0
    assert state.log[0].outcome is False


def test_a_label_of_an_unknown_event_changes_nothing() -> None:
    state = logged(START_MS)
    assert not log_label(state, 99, bad=True)
    assert window(state, START_MS, DAY_MS).bad == 0

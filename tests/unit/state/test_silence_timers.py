"""Timers of silences: 10, 100 and 1000 ms after an entity's newest event."""

from __future__ import annotations

from ubi_stream.state.timers import Due, InactivityTimers

DELAYS = (10, 100, 1000)


def timers(**last_ms: int) -> InactivityTimers:
    made = InactivityTimers(DELAYS)
    for entity_id, last in last_ms.items():
        made.touch(entity_id, last, -1)
    return made


def test_a_timer_fires_when_the_watermark_reaches_it_and_not_before() -> None:
    #   0 (event)   9   10
    made = timers(a=0)
    assert made.fire(-1, 9) == []
    assert made.fire(9, 10) == [Due(10, "a", 0)]
    assert made.fire(10, 99) == []


def test_a_leap_fires_all_that_it_passes_in_order_of_time_then_name() -> None:
    made = timers(b=0, a=0, c=-5)
    assert made.fire(-1, 100) == [
        Due(5, "c", 0),
        Due(10, "a", 0),
        Due(10, "b", 0),
        Due(95, "c", 1),
        Due(100, "a", 1),
        Due(100, "b", 1),
    ]


def test_another_event_puts_a_timer_off() -> None:
    made = timers(a=0)
    made.touch("a", 7, -1)
    assert made.fire(-1, 16) == []
    assert made.fire(16, 17) == [Due(17, "a", 0)]


def test_an_event_after_a_silence_starts_all_anew() -> None:
    made = timers(a=0)
    made.fire(-1, 100)
    made.touch("a", 105, 100)
    assert made.fire(100, 205) == [Due(115, "a", 0), Due(205, "a", 1)]


def test_the_last_timer_ends_what_is_known() -> None:
    made = timers(a=0)
    assert [due.stage for due in made.fire(-1, 1000)] == [0, 1, 2]
    assert len(made) == 0
    assert made.fire(1000, 10_000) == []


def test_an_event_too_late_for_every_timer_is_forgotten_at_the_next_move() -> None:
    #   0 (event)      1000 (last timer)     5000 (watermark when it comes)    5001
    made = InactivityTimers(DELAYS)
    made.touch("late", 0, 5000)
    assert len(made) == 1
    assert made.fire(5000, 5001) == [Due(1000, "late", 2)]
    assert len(made) == 0


def test_a_late_event_does_not_repeat_timers_that_have_fired() -> None:
    made = InactivityTimers(DELAYS)
    made.touch("a", 0, 50)
    assert made.fire(50, 99) == []
    assert made.fire(99, 100) == [Due(100, "a", 1)]


def test_a_restore_in_the_middle_fires_the_rest() -> None:
    made = InactivityTimers(DELAYS)
    made.restore({"a": 0, "b": 60, "gone": -2000}, 50)
    assert made.fire(50, 100) == [Due(-1000, "gone", 2), Due(70, "b", 0), Due(100, "a", 1)]
    assert len(made) == 2

"""Which rules an entity meets: days and habits."""

from __future__ import annotations

from support.folding import PLAN
from support.probe import DAY_MS, START_MS
from ubi_stream.state.model import UserState
from ubi_stream.state.risks import days_before, holds_still, note_day, note_rule, note_step

DAY = START_MS // DAY_MS


def met_on(*days: int, active: tuple[int, ...]) -> UserState:
    """A user with events on the active days, who met the rule on some."""
    state = UserState()
    for day in active:
        note_day(state, DAY + day)
        if day in days:
            note_rule(state, "late", START_MS + day * DAY_MS, DAY + day, day, PLAN)
    return state


def test_a_day_is_new_once_also_when_an_earlier_one_comes_late() -> None:
    state = UserState()
    assert [note_day(state, DAY + day) for day in (0, 0, 2, 1, 2)] == [True, False, True, False, False]
    assert state.active_days == 0b111


def test_earlier_days_are_counted_and_today_is_not() -> None:
    assert days_before(met_on(0, 1, 2, active=(0, 1, 2)), "late") == (2, 2)
    assert days_before(met_on(0, 2, 9, active=tuple(range(10))), "late") == (2, 9)


def test_who_never_did_it_has_days_without_it() -> None:
    assert days_before(UserState(), "late") == (0, 0)
    assert days_before(met_on(active=(0, 1, 2)), "late") == (0, 2)


def test_a_step_counts_once_a_day_for_each_way_and_a_late_event_not_at_all() -> None:
    state = met_on(5, active=(5,))
    steps = [note_step(state, "late", DAY + 5, way, step) for way, step in ((1, 0), (1, 2), (1, 1), (0, 3))]
    assert steps == [-1, 0, 2, -1]
    assert note_step(state, "late", DAY + 4, 1, 8) == 8
    note_rule(state, "late", START_MS + 6 * DAY_MS, DAY + 6, 6, PLAN)
    assert note_step(state, "late", DAY + 6, 1, 0) == -1


def test_days_of_more_than_a_month_ago_are_forgotten() -> None:
    state = met_on(0, 1, 2, 3, 40, active=(0, 1, 2, 3, 40))
    assert (state.rules["late"].days, state.active_days) == (1, 1)


def test_a_rule_holds_until_it_was_not_met_for_a_week() -> None:
    met = met_on(0, 3, active=(0, 3)).rules["late"]
    assert met.since_ms == START_MS
    assert holds_still(met, START_MS + 10 * DAY_MS, PLAN)
    assert not holds_still(met, START_MS + 10 * DAY_MS + 1, PLAN)


def test_after_the_way_back_it_begins_anew() -> None:
    assert met_on(0, 8, active=(0, 8)).rules["late"].since_ms == START_MS + 8 * DAY_MS


def test_a_late_event_moves_nothing_back() -> None:
    state = met_on(5, active=(5,))
    note_rule(state, "late", START_MS + 4 * DAY_MS, DAY + 4, 4, PLAN)
    met = state.rules["late"]
    assert (met.day, met.last_ms, met.days) == (DAY + 5, START_MS + 5 * DAY_MS, 0b11)

"""Visits and categories by day, in bounded space."""

from __future__ import annotations

from support.folding import PLAN, fold_all
from support.probe import DAY_MS, HOUR_MS, START_MS, event
from ubi_stream.state.habits import KEPT_DAYS, MAX_HABITUAL, Habits, category_key, counts_of

FIRST = START_MS // DAY_MS


def test_visits_count_on_the_day_that_they_began() -> None:
    minutes = [0, 1, 30, 24 * 60, 24 * 60 + 1]
    state = fold_all(*(event(at_ms=START_MS + minute * 60_000) for minute in minutes))
    assert counts_of(state.habits.visits, state.habits.head, FIRST, FIRST + 1) == (2, 1)


def test_a_visit_that_goes_on_after_a_gap_is_one() -> None:
    state = fold_all(*(event(at_ms=START_MS + hour * HOUR_MS, session_id="s") for hour in range(3)))
    assert counts_of(state.habits.visits, state.habits.head, FIRST, FIRST) == (1,)


def test_a_late_event_of_a_visit_that_is_over_begins_none() -> None:
    state = fold_all(
        event(at_ms=START_MS + 3 * HOUR_MS), event(at_ms=START_MS + 5 * HOUR_MS), event(at_ms=START_MS), plan=PLAN
    )
    assert counts_of(state.habits.visits, state.habits.head, FIRST, FIRST) == (2,)


def test_events_count_in_their_category_and_day_also_when_late() -> None:
    habits = Habits()
    for day, category in ((100, "a"), (103, "b"), (101, "a"), (103, "a")):
        habits.count(day, category, begins_visit=False)
    rows = {name: counts_of(habits.categories[category_key(name)], habits.head, 100, 103) for name in "ab"}
    assert rows == {"a": (1, 1, 0, 1), "b": (0, 0, 0, 1)}


def test_what_is_older_than_the_days_kept_is_gone_and_takes_no_room() -> None:
    habits = Habits()
    habits.count(100, "old", begins_visit=True)
    habits.count(100 + KEPT_DAYS, "new", begins_visit=True)
    habits.count(100, "older", begins_visit=True)
    assert list(habits.categories) == [category_key("new")]
    assert habits.visits == b"\x01"


def test_a_category_without_room_is_turned_away_and_that_is_known() -> None:
    habits = Habits()
    for number in range(MAX_HABITUAL):
        habits.count(100, f"c{number}", begins_visit=False)
    assert habits.turned_away == -1
    habits.count(101, "one more", begins_visit=False)
    habits.count(101, "c0", begins_visit=False)
    assert habits.turned_away == 101
    assert len(habits.categories) == MAX_HABITUAL


def test_a_day_counts_to_255_and_no_further() -> None:
    habits = Habits()
    for _ in range(300):
        habits.count(100, "a", begins_visit=True)
    assert habits.visits == b"\xff"

"""Which changes of habit are found, how soon, and how often by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from ubi_stream.features.history import DailyHistory, Limits, Measure
from ubi_stream.models.rate_change import HabitChange, corrected, find_change

OFFICE = (1.2, 1.2, 1.2, 1.2, 1.2, 0.0, 0.0)
EVENTS_CLUMP = 7.4
"""Of visits of 1 and a geometric number of events more, 4 on average: 5 + 12 / 5."""
SATURDAYS = (0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0)


def found(visits: Sequence[float], **others: Sequence[float]) -> HabitChange | None:
    """The change in a history of visits; other measures by name."""
    measures = [Measure("visits", "visits", tuple(visits), 1.0)]
    for name, values in others.items():
        measures.append(Measure(name.replace("_of_", "/"), "events", tuple(values), EVENTS_CLUMP))
    return find_change(DailyHistory(1000, tuple(measures), Limits(2.0, 2.0, 8)))


class TestWhatIsFound:
    @pytest.mark.parametrize(("days", "usual"), [(3, 4), (7, 3), (7, 6)])
    def test_a_rise_for_good_within_days(self, days: int, usual: int) -> None:
        change = found([usual] * (28 - days) + [3 * usual] * days)
        assert change is not None
        assert (change.direction, change.measure) == ("up", "visits")
        assert change.factor >= 2
        assert change.recent == pytest.approx(3 * usual * min(days, change.days))

    def test_a_doubling_within_two_weeks(self) -> None:
        change = found([4] * 14 + [8] * 14)
        assert change is not None
        assert (change.factor, change.days, change.weeks) == (2.0, 14, 2)

    def test_one_who_stopped_coming(self) -> None:
        change = found([3] * 23 + [0] * 5)
        assert change is not None
        assert change.direction == "down"
        assert change.recent < change.usual / 2

    def test_one_type_alone(self) -> None:
        steady = [3.0] * 28
        change = found(steady, type_of_support=[1.0] * 21 + [9.0] * 7, type_of_view=[9.0] * 28)
        assert change is not None
        assert change.measure == "type/support"

    def test_the_strongest_leads_and_the_others_are_named(self) -> None:
        change = found([2.0] * 21 + [8.0] * 7, events=[8.0] * 21 + [32.0] * 7)
        assert change is not None
        assert {change.measure, *change.also} == {"visits", "events"}


class TestWhatIsNoChange:
    def test_a_week_with_a_weekend(self) -> None:
        for shift in range(7):
            week = [5, 4, 6, 5, 4, 0, 0]
            assert found([week[(day + shift) % 7] for day in range(28)]) is None

    def test_the_return_after_a_weekend_and_after_a_holiday(self) -> None:
        week = [5, 5, 5, 5, 5, 0, 0]
        assert found([*week, *week, *week, 0, 0, 5, 5, 5, 0, 0]) is None  # two days off
        assert found([*week, *week, 0, 0, 0, 5, 5, 0, 0, *week]) is None

    def test_one_day_is_no_habit_however_large(self) -> None:
        assert found([1] * 27 + [200]) is None
        assert found([1] * 13 + [200] + [1] * 14) is None

    def test_a_burst_of_one_week_is_no_habit_to_fall_from(self) -> None:
        assert found([0] * 14 + [6] * 7 + [0] * 7) is None

    def test_few_visits_prove_nothing(self) -> None:
        assert found([1, 0, 0, 0, 0, 0, 0] * 3 + [1, 1, 0, 1, 0, 0, 0]) is None

    def test_little_is_known_of_less_than_three_weeks(self) -> None:
        assert found([1] * 13 + [9] * 3) is None

    def test_half_as_much_again_is_not_double(self) -> None:
        assert found([40] * 21 + [60] * 7) is None


def daily(rng: np.random.Generator, week: Sequence[float], rate: float, days: int) -> list[float]:
    """Visits by day: a rhythm of the week, and days that are busy and days that are not."""
    return [float(rng.poisson(rate * week[day % 7] * rng.gamma(3.0, 1 / 3.0))) for day in range(days)]


def test_by_chance_fewer_than_one_of_a_hundred_active_users_a_day() -> None:
    rng = np.random.default_rng(7)
    weeks = (OFFICE, SATURDAYS, (1.0,) * 7, (0.6,) * 5 + (2.0, 2.0))
    delivered = active = 0
    for user in range(300):
        visits = daily(rng, weeks[user % 4], math.exp(rng.uniform(math.log(0.3), math.log(5))), 56)
        events = [float(sum(1 + rng.geometric(0.25, int(n)))) for n in visits]
        quiet_until = {"up": 0, "down": 0}
        for day in range(18, 56):
            active += visits[day - 1] > 0
            first = max(1, day - 28)
            change = found(visits[first:day], events=events[first:day])
            if change is not None and quiet_until[change.direction] <= day:
                delivered += 1
                quiet_until[change.direction] = day + 28
    assert active > 5000
    assert delivered < 0.01 * active


def test_who_comes_three_times_as_often_is_found_within_days_also_where_days_are_busy_and_quiet() -> None:
    rng = np.random.default_rng(3)
    soon = at_all = 0
    for _ in range(100):
        visits = daily(rng, OFFICE, 3.0, 28) + daily(rng, OFFICE, 9.0, 14)
        days = [day for day in range(1, 15) if (c := found(visits[day : 28 + day])) and c.direction == "up"]
        soon, at_all = soon + (bool(days) and days[0] <= 7), at_all + bool(days)
    assert soon >= 50
    assert at_all >= 85


def test_who_stops_coming_is_found_within_a_week() -> None:
    rng = np.random.default_rng(3)
    missed = 0
    for _ in range(100):
        visits = daily(rng, OFFICE, 3.0, 28) + [0.0] * 7
        missed += not any((c := found(visits[day : 28 + day])) and c.direction == "down" for day in range(1, 8))
    assert missed <= 8


def test_the_correction_grows_with_the_comparisons_and_never_below_nothing() -> None:
    assert corrected(5.0, 1) == 5.0
    assert corrected(5.0, 10) > corrected(5.0, 100) > 3.9
    assert corrected(1.0, 100) == 0.0

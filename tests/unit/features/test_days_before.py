"""The days before today, from panes and from a log; and money by category, in bounded space.

day     0    1    2    3 = today
money   5    -    7    9
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.advice import advice_pack
from support.folding import fold_all
from support.probe import DAY_MS, HOUR_MS, START_MS, event
from ubi_stream.features.days import MAX_DAYS, Target, days_before_today, opens_day
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.plan import Plan, compile_plan
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import MICRO
from ubi_stream.state.spending import MAX_SPENT_CATEGORIES, Spent, add_spent

PANED, EXACT = compile_plan(advice_pack(), "user"), compile_plan(load_pack("payments"), "user")
START_DAY = START_MS // DAY_MS
both = pytest.mark.parametrize("plan", [PANED, EXACT], ids=["paned", "exact"])


def paid(plan: Plan, day: float, price: float, **fields: Any) -> dict[str, Any]:
    kind, amount = ("payment", "amount") if plan is EXACT else ("purchase", "price")
    return event("u", START_MS + round(day * DAY_MS), kind, **{amount: price}, **fields)


def paying(plan: Plan, *payments: tuple[float, float]) -> UserState:
    return fold_all(*(paid(plan, day, price) for day, price in payments), plan=plan)


@both
class TestDays:
    def test_a_day_without_events_is_0_and_today_is_left_out(self, plan: Plan) -> None:
        days = days_before_today(paying(plan, (0, 5), (2, 3), (2.5, 4), (3, 9)), plan, "amount")
        assert (days.today, days.values, days.active) == (START_DAY + 3, (5, 0, 7), 2)

    def test_events_are_counted_where_they_are_asked_for(self, plan: Plan) -> None:
        days = days_before_today(paying(plan, (0, 5), (2, 3), (2.5, 4), (3, 9)), plan, "events")
        assert days.values == (1, 0, 2)

    def test_no_more_days_than_a_state_keeps(self, plan: Plan) -> None:
        days = days_before_today(paying(plan, *((day, day + 1) for day in range(40))), plan, "amount")
        assert days.values == tuple(range(40 - MAX_DAYS, 40))
        assert days.active == MAX_DAYS

    def test_the_first_day_has_none_before_it(self, plan: Plan) -> None:
        days = days_before_today(paying(plan, (0, 5)), plan, "amount")
        assert (days.values, days.active) == ((), 0)

    def test_a_late_event_counts_in_its_day(self, plan: Plan) -> None:
        days = days_before_today(paying(plan, (0, 5), (2, 1), (1, 4)), plan, "amount")
        assert days.values == (5, 4)

    def test_a_stranger_has_no_days(self, plan: Plan) -> None:
        targets: tuple[Target, ...] = ("amount", "events")
        for target in targets:
            assert days_before_today(UserState(), plan, target).values == ()

    @pytest.mark.parametrize(
        ("times", "opens"),
        [((0,), True), ((0, 0.5), False), ((0, 1), True), ((0, 1, 1.2), False), ((1, 0), False), ((0, 2, 2, 1), False)],
    )
    def test_a_day_opens_with_its_first_event_in_order(self, plan: Plan, times: tuple[float, ...], opens: bool) -> None:
        state = paying(plan, *((day, 1) for day in times))
        assert opens_day(state, START_MS + round(times[-1] * DAY_MS), plan) is opens


class TestCategories:
    def test_money_of_each_category_is_kept_by_day(self) -> None:
        events = [
            paid(PANED, 0, 5, category="tea"),
            paid(PANED, 1, 3, category="tea"),
            paid(PANED, 1.1, 2, category="tea"),
            paid(PANED, 1.2, 8, category="cake"),
            event("u", START_MS + DAY_MS + 9 * HOUR_MS, "view", category="pie"),  # looking at it costs nothing
            paid(PANED, 3, 1, category="tea"),
        ]
        days = days_before_today(fold_all(*events, plan=PANED), PANED, "amount")
        assert days.by_category == {"tea": (5, 5, 0), "cake": (0, 8, 0)}
        assert days_before_today(fold_all(*events, plan=PANED), PANED, "events").by_category == {}

    def test_a_pack_without_forecasts_keeps_none(self) -> None:
        plan = compile_plan(advice_pack(("[models.forecast]\nmin_days = 10\nmin_change = 0.05\n", "")), "user")
        assert fold_all(paid(PANED, 0, 5, category="tea"), plan=plan).spent == {}

    def test_a_new_one_takes_the_place_of_the_one_without_money_for_longest(self) -> None:
        spent: Spent = {}
        for day, category in enumerate(["a", "b", "c", "d"]):
            add_spent(spent, category, day, MICRO, days=30)
        add_spent(spent, "a", 9, MICRO, days=30)
        add_spent(spent, "e", 10, MICRO, days=30)
        assert set(spent) == {"a", "c", "d", "e"}
        add_spent(spent, "b", 1, MICRO, days=30)  # late: older than all that are there
        assert set(spent) == {"a", "c", "d", "e"}

    @given(
        st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(-40, 400), st.integers(-5, 10**15)), max_size=60)
    )
    def test_space_is_bounded_whatever_comes(self, payments: list[tuple[str, int, int]]) -> None:
        spent: Spent = {}
        for category, day, micros in payments:
            add_spent(spent, category, day, micros, days=30)
        assert len(spent) <= MAX_SPENT_CATEGORIES
        assert all(1 <= len(days) <= 30 and max(days) - min(days) < 30 for days in spent.values())

"""Changes of habit as they are told: by the clock, with claims that are true, and once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from support.folding import Runner
from support.habits import FIRST_DAY, days_of, habit_pack, in_order
from support.probe import DAY_MS, HOUR_MS
from ubi_stream.insights.claims import holds, unclaimed_numbers
from ubi_stream.insights.model import Insight, InsightKind, Severity

STEADY = [3] * 21
CLOCK = [1] * 60


def delivered(visits: Sequence[int], *, days: int = 40, **fields: Any) -> list[Insight]:
    """Changes of a user who comes so often each day, while another keeps time going."""
    runner = Runner(habit_pack())
    effects = runner.run(*in_order(days_of("u", visits, **fields), days_of("clock", CLOCK[:days])))
    changes = [insight for insight in effects.insights if insight.kind is InsightKind.BEHAVIOUR_CHANGE]
    return [insight for insight in changes if insight.user_id == "u"]


def day_of(insight: Insight) -> int:
    return insight.at_ms // DAY_MS - FIRST_DAY


def test_a_fall_is_told_without_an_event_of_the_user() -> None:
    insights = delivered(STEADY)
    assert {insight.label for insight in insights} == {"rate_down"}
    first = insights[0]
    assert 3 <= day_of(first) - len(STEADY) <= 7
    assert first.at_ms % DAY_MS < HOUR_MS
    assert first.explanation.summary == "Visits in three days: 0 (usually 9)"


def test_a_rise_is_told_when_days_are_over() -> None:
    insights = delivered([*STEADY, *[10] * 7])
    assert insights[0].label == "rate_up"
    assert day_of(insights[0]) - len(STEADY) <= 7


def test_a_sure_fall_is_worth_a_look_this_week_and_a_possible_one_is_context() -> None:
    possible, sure = delivered([1] * 21), delivered([6] * 24)
    assert possible[0].severity is Severity.INFO
    assert [insight.severity for insight in sure] == [Severity.MEDIUM]
    assert possible[0].evidence["z"] < 4 <= sure[0].evidence["z"]
    assert possible[0].confidence is not None
    assert sure[0].confidence is not None
    assert 0.97 < possible[0].confidence < sure[0].confidence < 1


def test_the_sentence_says_no_more_than_its_claims() -> None:
    for insight in [
        *delivered([1] * 21),
        *delivered([*STEADY, *[10] * 7]),
        *delivered([*STEADY, *[12] * 7], price=10.5),
    ]:
        (claim,) = insight.explanation.claims
        assert holds(claim)
        assert claim.bound_is == "own_usual"
        assert unclaimed_numbers(insight.explanation.summary, insight.explanation.claims) == []


@pytest.mark.parametrize("day", range(7))
def test_a_week_with_a_weekend_is_no_change_whatever_the_day(day: int) -> None:
    week = [4, 3, 5, 4, 3, 0, 0]
    assert delivered([week[(each + day) % 7] for each in range(40)]) == []


def test_one_great_day_is_no_change() -> None:
    assert delivered([*[1] * 25, 14, *[1] * 12]) == []


def test_a_category_that_is_new_to_nobody_but_doubles_is_told_by_name() -> None:
    runner = Runner(habit_pack())
    books, shoes = days_of("u", [3] * 35, category="books"), days_of("u", [1] * 28 + [0] * 7, category="shoes")
    more = days_of("u", [8] * 7, first=28, category="shoes", events=6)
    effects = runner.run(*in_order(books, shoes, more, days_of("clock", CLOCK[:38])))
    changes = [i for i in effects.insights if i.kind is InsightKind.BEHAVIOUR_CHANGE and i.user_id == "u"]
    named = {change.evidence["measure"] for change in changes} | {
        name for change in changes for name in change.evidence["also"]
    }
    assert "category/shoes" in named
    assert "category/books" not in named


def test_the_same_direction_is_told_once_in_four_weeks() -> None:
    assert len(delivered([*[6] * 21, *[1] * 19])) <= 2

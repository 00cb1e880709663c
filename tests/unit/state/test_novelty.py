"""What is new in a visit compared with all before it."""

from __future__ import annotations

from typing import Any

from support.folding import fold_all
from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event
from ubi_stream.state.model import Session

ZONE = {"utc_offset_min": 0}


def known_user(days: int = 8, **fields: Any) -> list[dict[str, Any]]:
    """Comes every day at 18:00, looks at three categories and buys for about 20."""
    return [
        event(
            at_ms=START_MS + day * DAY_MS + 18 * HOUR_MS + n * MINUTE_MS,
            event_type="purchase" if n == 2 else "view",
            category=("shoes", "hats", "belts")[n],
            price=20 + day % 3,
            **{"context": ZONE, **fields},
        )
        for day in range(days)
        for n in range(3)
    ]


def visit_after(days: int, *, hour: float, **fields: Any) -> Session:
    """The visit of one event after so many days of a known user."""
    at_ms = START_MS + days * DAY_MS + round(hour * HOUR_MS)
    return fold_all(*known_user(days), event(at_ms=at_ms, **{"context": ZONE, **fields})).session


def test_an_hour_at_which_a_known_user_was_never_here_has_no_share() -> None:
    assert visit_after(8, hour=3).hour_share == 0
    assert visit_after(8, hour=18).hour_share == 1000


def test_two_hours_more_or_less_are_the_same_time_of_day() -> None:
    assert visit_after(8, hour=20.9).hour_share == 1000
    assert visit_after(8, hour=21).hour_share == 0


def test_the_hour_of_a_visit_is_that_at_which_it_began() -> None:
    night = START_MS + 8 * DAY_MS + 3 * HOUR_MS
    more = [event(at_ms=night + n * 1000, context=ZONE) for n in range(40)]
    assert fold_all(*known_user(), *more).session.hour_share == 0


def test_no_hour_is_unusual_for_who_is_hardly_known_or_where_the_zone_is_not() -> None:
    assert visit_after(2, hour=3).hour_share == -1
    assert visit_after(8, hour=3, context={}).hour_share == -1


def test_a_new_category_counts_once_a_visit() -> None:
    start = START_MS + 8 * DAY_MS
    visit = [event(at_ms=start + n, category=name) for n, name in enumerate(("hats", "tents", "tents", "boats"))]
    assert fold_all(*known_user(), *visit).session.new_categories == 2


def test_no_category_is_new_to_who_is_hardly_known_or_knows_too_many_to_be_kept() -> None:
    assert fold_all(event(category="a"), event(category="b")).session.new_categories == -1
    many = [event(category=f"c{n}") for n in range(16)]
    later = event(at_ms=START_MS + DAY_MS, category="another")
    assert fold_all(*many, later).session.new_categories == -1


def test_the_largest_amount_of_a_visit_is_compared_with_what_was_usual_before_it() -> None:
    assert visit_after(9, hour=18, event_type="purchase", price=210).amount_ratio == 1000
    assert visit_after(9, hour=18, event_type="cart", price=42).amount_ratio == 200
    assert visit_after(9, hour=18, event_type="view", price=210).amount_ratio == 0  # looking costs nothing
    assert visit_after(1, hour=18, event_type="purchase", price=210).amount_ratio == 0  # one amount is no habit


def test_a_late_event_of_an_earlier_visit_says_nothing_about_this_one() -> None:
    now = event(at_ms=START_MS + 9 * DAY_MS, category="hats", context=ZONE)
    late = event(at_ms=START_MS + 8 * DAY_MS, category="tents", event_type="purchase", price=900, context=ZONE)
    session = fold_all(*known_user(), now, late).session
    assert (session.new_categories, session.amount_ratio) == (0, 0)

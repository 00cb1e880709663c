"""The class of a visit is a function of the visit alone; what it counts is bounded."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from support.folding import PLAN, fold_all
from support.probe import MINUTE_MS, START_MS, event
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.plan import compile_plan
from ubi_stream.packs.visit_classes import VISIT_FIGURES
from ubi_stream.state.distinct import SLOTS, add_distinct, count_distinct, merged_distinct
from ubi_stream.state.model import Session
from ubi_stream.state.visit_class import FIGURES, class_of, criteria_met
from ubi_stream.state.visits import active_ms, whole

SHOP = compile_plan(load_pack("ecommerce"), "user")


def at(minutes: float, **fields: Any) -> dict[str, Any]:
    return event(at_ms=START_MS + round(minutes * MINUTE_MS), **fields)


def visit(events: int, minutes: float, *, carts: int = 0, purchases: int = 0) -> Session:
    end_ms = START_MS + round(minutes * MINUTE_MS)
    return Session(start_ms=START_MS, last_ms=end_ms, events=events, intents=carts, conversions=purchases)


@pytest.mark.parametrize(
    ("session", "name"),
    [
        (visit(30, 30), "power_user"),
        (visit(29, 30), "browser"),
        (visit(30, 29.99), "browser"),
        (visit(30, 29.99, purchases=1), "engaged_shopper"),
        (visit(300, 300, purchases=9), "power_user"),
        (visit(10, 10, purchases=1), "engaged_shopper"),
        (visit(9, 10, purchases=1), "browser"),
        (visit(10, 9.99, purchases=1), "browser"),
        (visit(10, 10), "browser"),
        (visit(1, 0), "bouncer"),
        (visit(2, 0.99), "bouncer"),
        (visit(2, 1), "browser"),
        (visit(3, 0.5), "browser"),
        (visit(1, 0, carts=1), "browser"),
        (visit(2, 0.5, purchases=1), "browser"),
    ],
)
def test_the_classes_of_a_shops_visits_at_their_bounds(session: Session, name: str) -> None:
    found = class_of(session, SHOP)
    assert found is not None
    assert found.name == name


def test_the_classes_have_the_colours_scores_and_priorities_that_were_agreed() -> None:
    assert {
        one.name: (one.color, one.score, one.priority, len(one.recommendations)) for one in SHOP.parts.visit_classes
    } == {
        "power_user": ("blue", 100, 1, 3),
        "engaged_shopper": ("green", 75, 3, 3),
        "bouncer": ("red", 25, 4, 3),
        "browser": ("yellow", 50, 2, 3),
    }


def test_criteria_say_which_conditions_of_any_class_hold() -> None:
    assert criteria_met(visit(12, 3, purchases=1), SHOP) == (
        "session_depth >= 10",
        "session_conversions >= 1",
        "session_intents == 0",
    )


def test_a_pack_without_classes_and_a_terminal_have_none() -> None:
    payments = load_pack("payments")
    assert class_of(visit(1, 0), compile_plan(payments, "user")) is None
    assert class_of(visit(1, 0), compile_plan(payments, "terminal")) is None


def test_each_figure_that_a_pack_may_name_is_computed() -> None:
    assert set(FIGURES) == set(VISIT_FIGURES)
    contents = [
        at(0, product_id="p1", category="a"),
        at(1, product_id=7, category="b"),
        at(2, event_type="cart", product_id="7"),
        at(3, event_type="purchase", product_id="p2", category="a", price=2.5),
        at(4, event_type="view", product_id=""),
    ]
    session = fold_all(*contents).session
    assert {name: figure(session) for name, figure in FIGURES.items()} == {
        "session_depth": 5,
        "session_duration_min": 4.0,
        "session_interests": 3,
        "session_intents": 1,
        "session_conversions": 1,
        "session_items": 3,
        "session_categories": 2,
        "session_amount": 2.5,
    }


def test_a_session_that_goes_on_after_a_gap_is_one_visit_without_the_pause() -> None:
    contents = [at(0, product_id="a"), at(2, product_id="b"), at(30, product_id="b"), at(33, product_id="c"), at(90)]
    state = fold_all(*(content | {"session_id": "s"} for content in contents))
    found = whole(state.session)
    assert (found.part, found.events, count_distinct(found.items)) == (2, 5, 3)
    assert (found.start_ms, found.last_ms) == (START_MS, START_MS + 90 * MINUTE_MS)
    assert active_ms(found) == 5 * MINUTE_MS
    assert class_of(state.session, PLAN) == class_of(found, PLAN)


class TestDistinct:
    def test_it_is_exact_up_to_its_slots_whatever_the_order(self) -> None:
        values = [f"p{number}" for number in range(SLOTS - 1)] * 2
        sketches = []
        for seed in range(3):
            Random(seed).shuffle(values)
            kept: list[int] = []
            for value in values:
                add_distinct(kept, value)
            sketches.append(kept)
        assert sketches[0] == sketches[1] == sketches[2]
        assert count_distinct(sketches[0]) == SLOTS - 1

    @pytest.mark.parametrize("size", [200, 5_000])
    def test_beyond_them_it_estimates_in_the_same_space(self, size: int) -> None:
        estimates = []
        for trial in range(20):
            kept: list[int] = []
            for number in range(size):
                add_distinct(kept, f"{trial}-{number}")
            assert len(kept) == SLOTS
            estimates.append(count_distinct(kept) / size)
        assert abs(sum(estimates) / 20 - 1) < 0.1
        assert all(0.5 < estimate < 1.6 for estimate in estimates)

    def test_two_sketches_make_that_of_both(self) -> None:
        one: list[int] = []
        other: list[int] = []
        both: list[int] = []
        for number in range(150):
            add_distinct(both, str(number))
            add_distinct(one if number % 3 else other, str(number))
        assert merged_distinct(one, other) == both

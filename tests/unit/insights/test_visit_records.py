"""Records of visits: one a visit, with figures that people know, replaced when the visit goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.folding import Runner
from support.probe import START_MS, probe_pack
from support.timeline import at
from support.visits import visits_of
from ubi_stream.insights.encoding import encode_visit
from ubi_stream.insights.visits import VisitErasure, VisitRecord, percentage, quotient
from ubi_stream.packs.loader import load_pack


def of_a_shop(*contents: dict[str, Any]) -> VisitRecord:
    """The visit of u1 in the shop's pack, brought to light by somebody else."""
    runner = Runner(load_pack("ecommerce"))
    runner.run(*contents)
    (visit,) = visits_of(runner.run(at(120, "u2", event_type="view")))
    return visit


def test_the_row_of_seven_events() -> None:
    products = ["p1", "p2", "p3", "p1", "p4", "p5"]
    views = [
        at(n * 1.5, session_id="s-42", event_type="view", product_id=product, category=f"c{n % 2}", price=10)
        for n, product in enumerate(products)
    ]
    visit = of_a_shop(*views, at(8.5, session_id="s-42", event_type="cart", product_id="p5", price=10))
    assert (visit.behavior_segment, visit.segment_color, visit.segment_score) == ("browser", "yellow", 50)
    assert (visit.total_events, visit.session_duration_minutes, visit.engagement_rate) == (7, 8.5, 0.82)
    assert (visit.view_count, visit.cart_count, visit.purchase_count) == (6, 1, 0)
    assert (visit.cart_conversion_rate, visit.purchase_conversion_rate, visit.overall_conversion_rate) == (
        16.67,
        0.0,
        0.0,
    )
    assert (visit.unique_products, visit.unique_categories) == (5, 2)
    assert visit.total_amount is None
    assert (visit.user_session, visit.action_priority, len(visit.recommendations)) == ("s-42", 2, 3)


def test_a_visit_of_one_event_has_a_record_and_no_rates() -> None:
    visit = of_a_shop(at(0, event_type="page_view"))
    assert visit.behavior_segment == "bouncer"
    assert (visit.session_duration_minutes, visit.engagement_rate) == (0.0, None)
    assert (visit.cart_conversion_rate, visit.purchase_conversion_rate, visit.overall_conversion_rate) == (None,) * 3
    assert visit.user_session == visit.id  # no session id came with it


def test_money_is_that_of_purchases() -> None:
    visit = of_a_shop(at(0, event_type="view", price=5), at(1, event_type="purchase", price=2.25))
    assert (visit.total_amount, visit.purchase_conversion_rate, visit.overall_conversion_rate) == (2.25, None, 100.0)


@pytest.mark.parametrize(("which", "events"), [("all", [1, 2]), ("several_events", [2]), ("none", [])])
def test_a_pack_says_of_which_visits_there_are_records(which: str, events: list[int]) -> None:
    runner = Runner(probe_pack(('sessions = "all"', f'sessions = "{which}"')))
    effects = runner.run(at(0), at(20), at(21), at(60))
    assert [visit.total_events for visit in visits_of(effects)] == events


def test_a_shop_has_no_visits() -> None:
    runner = Runner(entity="shop")
    effects = runner.run(*(at(m, event_type="purchase", shop_id="s") for m in (0, 1, 60)))
    assert effects.tally.accepted.total() == 3
    assert effects.visits == []


def test_usual_figures_are_those_of_the_visits_before() -> None:
    effects = Runner().run(at(0), at(4), at(20), at(60))
    assert [(v.usual_events, v.usual_duration_minutes) for v in visits_of(effects)] == [(None, None), (2.0, 4.0)]


class TestAVisitThatGoesOn:
    def test_a_late_event_revises_it_under_the_same_id(self) -> None:
        #   0  1   (u1)    40 (u2): the visit is over     -1, 0.5 come late
        runner = Runner()
        runner.run(at(0), at(1))
        (delivered,) = visits_of(runner.run(at(40, "u2")))
        (within,) = visits_of(runner.run(at(0.5, event_type="purchase", price=3)))
        (earlier,) = visits_of(runner.run(at(-1)))
        assert [visit.id for visit in (within, earlier)] == [delivered.id] * 2
        assert [visit.total_events for visit in (delivered, within, earlier)] == [2, 3, 4]
        assert [visit.revised for visit in (delivered, within, earlier)] == [False, True, True]
        assert (within.behavior_segment, within.total_amount) == ("buying", 3.0)
        assert earlier.session_start_ms == START_MS - 60_000

    def test_a_late_visit_that_nobody_waits_for_has_a_record_too(self) -> None:
        runner = Runner()
        runner.run(at(600, "u2"))
        (late,) = visits_of(runner.run(at(0, "u1")))
        assert (late.total_events, late.revised) == (1, False)
        (more,) = visits_of(runner.run(at(1, "u1")))
        assert (more.id, more.total_events, more.revised) == (late.id, 2, True)

    def test_a_session_that_goes_on_after_a_gap_replaces_its_record(self) -> None:
        effects = Runner().run(at(0, session_id="s"), at(30, session_id="s"), at(31, session_id="s"), at(60, "u2"))
        first, second = visits_of(effects)
        assert (first.id, first.total_events, first.revised) == (second.id, 1, False)
        assert (second.total_events, second.session_duration_minutes, second.revised) == (3, 1.0, True)

    def test_a_session_id_that_comes_back_within_the_gap_goes_on_with_its_visit(self) -> None:
        effects = Runner().run(at(0, session_id="a"), at(1, session_id="b"), at(2, session_id="a"), at(60))
        found = visits_of(effects)
        assert [(visit.user_session, visit.total_events, visit.revised) for visit in found] == [
            ("a", 1, False),
            ("b", 1, False),
            ("a", 2, True),
        ]
        assert found[0].id == found[2].id != found[1].id
        assert found[2].session_duration_minutes == 2

    def test_a_session_id_that_comes_back_after_the_gap_is_another_visit(self) -> None:
        effects = Runner().run(at(0, session_id="a"), at(9, session_id="b"), at(18, session_id="a"), at(60))
        assert len({visit.id for visit in visits_of(effects)}) == 3


def test_an_erasure_is_told_behind_the_visits_of_before() -> None:
    runner = Runner()
    effects = runner.run(at(0), at(30), at(31, event_type="$erase"))
    assert isinstance(effects.visits[0], VisitRecord)
    assert effects.visits[1:] == [VisitErasure("user", "u1")]
    assert json.loads(encode_visit(effects.visits[1])) == {"type": "erasure", "entity": "user", "user_id": "u1"}


def test_on_the_topic_times_are_iso_8601() -> None:
    (visit,) = visits_of(Runner().run(at(0), at(1), at(60)))
    written = json.loads(encode_visit(visit))
    assert (written["type"], written["session_start"], written["session_end"]) == (
        "visit",
        "2023-11-15T00:00:00.000Z",
        "2023-11-15T00:01:00.000Z",
    )
    assert "session_start_ms" not in written


def test_rates_are_rounded_half_up() -> None:
    assert [percentage(420, 2850), percentage(180, 420), percentage(180, 2850)] == [14.74, 42.86, 6.32]
    assert [quotient(85432.50, 150), quotient(85432.50, 180)] == [569.55, 474.63]

"""Visits: the producer's session id, else a gap of ten minutes (in the probe's pack)."""

from __future__ import annotations

from typing import Any

from support.folding import visits_of
from support.probe import HOUR_MS, MINUTE_MS, START_MS, event
from ubi_stream.state.visits import since_counted, slowdown


def at(minutes: float, **fields: Any) -> dict[str, Any]:
    return event(at_ms=START_MS + int(minutes * MINUTE_MS), **fields)


def test_a_gap_ends_a_visit() -> None:
    #   0    10         20.001
    #   *----*            *       a silence of exactly the gap is none
    ended, state = visits_of(at(0), at(10), at(20.001))
    (visit,) = ended
    assert (visit.session.events, visit.session.start_ms, visit.session.last_ms) == (
        2,
        START_MS,
        START_MS + 10 * MINUTE_MS,
    )
    assert (state.session.events, state.visits.count, state.visits.bounces) == (1, 1, 0)


def test_a_visit_of_one_event_is_a_bounce() -> None:
    _, state = visits_of(at(0), at(60))
    assert (state.visits.count, state.visits.bounces) == (1, 1)


def test_another_session_id_ends_a_visit_without_a_gap() -> None:
    ended, state = visits_of(at(0, session_id="a"), at(1, session_id="a"), at(2, session_id="b"))
    assert [visit.session.id for visit in ended] == ["a"]
    assert state.session.id == "b"


def test_two_devices_in_turn_have_a_visit_each_that_goes_on() -> None:
    phone_and_desk = [at(minute, session_id="ab"[minute % 2]) for minute in range(9)]
    ended, state = visits_of(*phone_and_desk)
    assert (state.session.id, state.session.events, state.session.last_ms - state.session.start_ms) == (
        "a",
        5,
        8 * MINUTE_MS,
    )
    assert state.other_session is not None
    assert (state.other_session.id, state.other_session.events) == ("b", 4)
    assert [visit.session.id for visit in ended] == list("abababab")
    assert state.visits.count == 0  # both may go on


def test_what_two_devices_did_counts_once_when_it_is_over() -> None:
    turns = [
        at(0, session_id="a"),
        at(1, session_id="b"),
        at(2, event_type="purchase", session_id="a"),
        at(3, session_id="b"),
    ]
    ended, state = visits_of(*turns, at(60, session_id="c"))
    assert (state.visits.count, state.visits.bounces, state.visits.converted) == (2, 0, 1)
    assert state.other_session is None
    assert sum(since_counted(visit.session)[2] for visit in ended) == 1


def test_a_third_session_id_takes_the_place_of_the_one_that_was_left_first() -> None:
    _, state = visits_of(at(0, session_id="a"), at(1, session_id="b"), at(2, session_id="c"), at(3, session_id="a"))
    assert state.other_session is not None
    assert (state.session.id, state.session.events, state.other_session.id, state.visits.count) == ("a", 1, "c", 2)


def test_a_late_event_of_the_other_device_is_in_its_visit() -> None:
    _, state = visits_of(at(0, session_id="a"), at(2, session_id="b"), at(1, session_id="a"), at(3, session_id="b"))
    assert state.other_session is not None
    assert (state.session.events, state.other_session.events) == (2, 2)


def test_the_same_session_id_after_a_gap_is_another_part_of_the_same_visit() -> None:
    ended, state = visits_of(at(0, session_id="a"), at(30, session_id="a"), at(60, session_id="a"))
    assert [visit.session.part for visit in ended] == [0, 1]
    assert state.session.part == 2
    assert state.visits.count == 1


def test_an_event_without_an_id_belongs_to_the_visit_it_falls_into() -> None:
    ended, state = visits_of(at(0), at(1, session_id="a"), at(2), at(3, session_id="a"))
    assert ended == []
    assert (state.session.id, state.session.events) == ("a", 4)


def test_a_gap_ends_a_visit_with_an_id_when_one_without_follows() -> None:
    ended, state = visits_of(at(0, session_id="a"), at(30))
    assert len(ended) == 1
    assert (state.session.id, state.session.part) == (None, 0)


def test_a_late_event_of_an_earlier_visit_leaves_the_current_one_alone() -> None:
    #   0  (1 comes late)      60   61
    #   a   a                  b    b
    ended, state = visits_of(
        at(0, session_id="a"), at(60, session_id="b"), at(1, session_id="a"), at(61, session_id="b")
    )
    assert [visit.session.events for visit in ended] == [1]
    assert (state.session.id, state.session.events) == ("b", 2)
    assert state.events == 4


def test_a_late_event_without_an_id_leaves_a_visit_alone_that_began_a_gap_later() -> None:
    #   (0 comes late)                       120  121
    ended, state = visits_of(at(120), at(0), at(121))
    assert ended == []
    assert (state.session.start_ms, state.session.events) == (START_MS + 120 * MINUTE_MS, 2)


def test_a_late_event_just_before_a_visit_makes_it_begin_earlier() -> None:
    _, state = visits_of(at(20), at(15), at(21))
    assert (state.session.start_ms, state.session.events) == (START_MS + 15 * MINUTE_MS, 3)


def test_what_happened_in_a_visit_is_counted() -> None:
    ended, _ = visits_of(
        at(0),
        at(1, event_type="cart"),
        at(2, event_type="purchase", price=7.5),
        at(3, event_type="purchase", price=2.5),
        at(60),
    )
    session = ended[0].session
    assert (session.interests, session.intents, session.conversions) == (1, 1, 2)
    assert session.amount_micros == 10_000_000


def test_visits_add_up_to_what_is_usual() -> None:
    ended, state = visits_of(at(0), at(4), at(60), at(62), at(64), at(120))
    first, second = ended
    assert (first.usual_duration_s, first.usual_depth) == (None, None)
    assert (second.usual_duration_s, second.usual_depth) == (240.0, 2.0)
    assert state.visits.depth is not None
    assert state.visits.depth.mean == 2.5


def test_an_ended_visit_is_a_copy() -> None:
    ended, _ = visits_of(at(0), at(60), at(61))
    assert ended[0].session.events == 1


def test_slowdown_is_how_much_slower_a_visit_became() -> None:
    even = [at(n * 0.5) for n in range(12)]
    slowing = [at(0.1 * n * n) for n in range(9)]
    assert slowdown(visits_of(*even)[1].session) == 0.0
    assert 0.3 < slowdown(visits_of(*slowing)[1].session) < 1.0
    assert slowdown(visits_of(at(0), at(1), at(9))[1].session) == 0.0  # too few to tell


def test_events_at_the_same_instant_are_one_visit() -> None:
    ended, state = visits_of(*(event(at_ms=START_MS + HOUR_MS) for _ in range(7)))
    assert ended == []
    assert (state.session.events, slowdown(state.session)) == (7, 0.0)

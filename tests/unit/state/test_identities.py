"""Ids that are one user: what a merge, a split and an erasure leave, and where later events go."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from support.folding import Runner
from support.merging import Partitions, at_s
from support.probe import DAY_MS, START_MS, event, probe_pack, record
from ubi_stream.events.identity import identity_event
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.insights.visits import VisitRecord
from ubi_stream.operations.repartition_plan import new_memories
from ubi_stream.reasons import DeadLetterReason


def insights_of(people: Partitions) -> list[Insight]:
    return [insight for effects in people.effects for insight in effects.insights]


def accepted(people: Partitions) -> Counter[str]:
    return sum((effects.tally.accepted for effects in people.effects), Counter[str]())


@pytest.fixture
def people() -> Partitions:
    """Three partitions; a has two events."""
    people = Partitions(3)
    people.send(at_s(0, "a"), at_s(5, "a", event_type="cart", price=3))
    return people


class TestAfterAMerge:
    def test_the_users_profile_has_the_events_of_both(self, people: Partitions) -> None:
        people.send(at_s(8, "u"))
        people.say("$identify", 9, "u", "a")
        state = people.known("u")
        assert (state.events, state.first_ms, list(state.identities)) == (3, START_MS, ["a"])
        assert people.known("a").merged_into == "u"

    def test_later_events_of_the_merged_id_count_for_the_user(self, people: Partitions) -> None:
        people.say("$identify", 9, "u", "a")
        people.send(at_s(10, "a"), at_s(11, "a"))
        assert people.known("u").events == 4
        moved = sum(effects.tally.moved for effects in people.effects)
        assert (moved, accepted(people)["view"]) == (2, 3)

    def test_their_insights_have_the_users_id(self, people: Partitions) -> None:
        people.say("$identify", 9, "u", "a")
        people.send(at_s(10, "a", latency_ms=9000))
        assert [one.user_id for one in insights_of(people) if one.kind is InsightKind.RISK] == ["u"]

    def test_an_event_that_came_under_the_old_id_is_a_duplicate_under_the_new(self, people: Partitions) -> None:
        people.say("$identify", 9, "u", "a")
        people.send(at_s(10, "u", event_id="a@5"))
        assert people.known("u").events == 2

    def test_a_command_that_comes_again_changes_nothing(self, people: Partitions) -> None:
        people.say("$identify", 9, "u", "a")
        before = people.known("u")
        people.say("$identify", 9, "u", "a")
        people.say("$identify", 10, "u", "a")
        assert people.known("u").events == before.events == 2

    def test_a_chain_of_merges_leads_to_its_end(self, people: Partitions) -> None:
        people.say("$identify", 6, "b", "a")
        people.say("$alias", 7, "c", "b")
        people.send(at_s(8, "a"), at_s(9, "b"))
        state = people.known("c")
        assert (state.events, set(state.identities)) == (4, {"a", "b"})

    def test_one_that_would_close_a_circle_is_given_back(self, people: Partitions) -> None:
        people.send(at_s(6, "b"))
        people.say("$alias", 7, "b", "a")
        people.say("$alias", 8, "a", "b")
        people.send(at_s(9, "a"), at_s(10, "b"))
        assert (people.known("a").merged_into, people.known("b").merged_into) == ("b", "")
        assert people.known("b").events == 5

    def test_the_newest_user_of_an_id_gets_what_comes(self, people: Partitions) -> None:
        people.say("$identify", 6, "u", "a")
        people.say("$identify", 7, "v", "a")
        people.send(at_s(8, "a"))
        assert (people.known("u").events, people.known("v").events) == (2, 1)
        people.say("$split", 9, "u", "a")  # it is the other user's now
        assert people.known("u").events == 2

    def test_one_visit_under_two_ids_is_one(self, people: Partitions) -> None:
        people.say("$identify", 6, "u", "a")
        people.send(at_s(7, "u", event_type="purchase", price=3), at_s(7200, "u"))
        records = [one for effects in people.effects for one in effects.visits if isinstance(one, VisitRecord)]
        (visit,) = [one for one in records if one.purchase_count]
        assert (visit.user_id, visit.total_events, visit.cart_count) == ("u", 3, 1)

    def test_two_visits_are_two_each_with_one_record(self, people: Partitions) -> None:
        people.send(at_s(8, "u", session_id="mine"))
        people.send(at_s(9, "a", session_id="theirs"))
        people.say("$identify", 10, "u", "a")
        people.send(at_s(7200, "u"))
        records = [one for effects in people.effects for one in effects.visits if isinstance(one, VisitRecord)]
        assert sorted((one.user_session, one.total_events) for one in records) == [("mine", 1), ("theirs", 3)]
        assert people.known("u").visits.count == 2

    def test_a_prediction_is_learned_once(self, people: Partitions) -> None:
        people.say("$identify", 6, "u", "a")
        people.send(
            at_s(7, "u", event_type="purchase", price=3), *(at_s(9000 + n, name) for n, name in enumerate("uax"))
        )
        learned: Counter[str] = Counter()
        for runner in people.runners:
            for name, panel in runner.partition.models.outcomes.panels.items():
                learned[name] += panel.n_seen
        assert learned["buys_in_visit"] <= 1

    def test_a_cool_down_goes_on(self, people: Partitions) -> None:
        people.send(at_s(6, "a", latency_ms=9000))
        people.say("$identify", 7, "u", "a")
        people.send(at_s(8, "u", latency_ms=9000))
        assert [one.user_id for one in insights_of(people) if one.kind is InsightKind.RISK] == ["a"]

    def test_of_an_id_that_nobody_knows_only_the_name_is_kept(self) -> None:
        people = Partitions(2)
        people.say("$identify", 6, "u", "a")
        assert (people.known("u").events, list(people.known("u").identities)) == (0, ["a"])
        people.send(at_s(8, "a"))
        assert people.known("u").events == 1

    def test_an_id_that_is_not_used_any_more_is_forgotten(self, people: Partitions) -> None:
        people.say("$identify", 6, "u", "a")
        other = next(name for name in map(str, range(99)) if people.of(name) is people.of("a"))
        people.send(at_s(5 * DAY_MS / 1000, other))
        assert people.state("a") is None


class TestAfterASplit:
    def test_both_have_their_own_again(self, people: Partitions) -> None:
        people.send(at_s(8, "u"))
        people.say("$identify", 9, "u", "a")
        people.say("$split", 10, "u", "a")
        people.send(at_s(11, "a"))
        assert (people.known("a").events, people.known("a").merged_into) == (3, "")
        assert (people.known("u").events, people.known("u").identities) == (1, {})

    def test_of_ids_that_were_never_merged_nothing_changes(self, people: Partitions) -> None:
        people.send(at_s(8, "u"))
        people.say("$split", 10, "u", "a")
        people.say("$split", 11, "u", "nobody-knows")
        assert (people.known("a").events, people.known("u").events) == (2, 1)
        assert people.state("nobody-knows") is None


class TestAnErasure:
    @pytest.mark.parametrize("erased", ["a", "u"])
    def test_of_one_id_is_one_of_all(self, people: Partitions, erased: str) -> None:
        people.send(at_s(6, "b"))
        people.say("$identify", 7, "u", "a")
        people.say("$identify", 8, "u", "b")
        people.send(event(erased, START_MS + 9000, "$erase", event_id="e"))
        assert [people.state(name) for name in "abu"] == [None] * 3
        receipts = [one.user_id for one in insights_of(people) if one.kind is InsightKind.ERASURE]
        assert sorted(receipts) == ["a", "b", "u"]
        people.send(at_s(10, "a"))
        assert people.known("a").events == 1

    def test_of_the_user_reaches_a_profile_that_is_on_its_way(self, people: Partitions) -> None:
        people.say("$identify", 7, "u", "a", drain=False)
        people.send(event("u", START_MS + 9000, "$erase", event_id="e"), drain=False)
        people.drain()
        assert (people.state("u"), people.state("a")) == (None, None)


def test_a_new_layout_sends_what_was_on_its_way_once_under_another_name(people: Partitions) -> None:
    people.say("$identify", 7, "u", "a", drain=False)
    runner = people.of("a")
    runner.partition.take_checkpoint()
    memory = runner.partition._memory
    first, second = new_memories([memory], [{}, {}])
    assert second.handovers == []
    assert [one.key for one in first.handovers] == [b"u"]
    assert first.handovers[0].sender != memory.handovers[0].sender


@pytest.mark.parametrize(
    ("content", "reason", "path"),
    [
        ({"event_type": "$merge", "anonymous_id": "a"}, DeadLetterReason.UNKNOWN_EVENT_TYPE, "$.event_type"),
        ({"event_type": "$unmerge", "anonymous_id": "a"}, DeadLetterReason.UNKNOWN_EVENT_TYPE, "$.event_type"),
        ({"event_type": "$identify"}, DeadLetterReason.MISSING_FIELD, "$.properties.anonymous_id"),
        (
            {"event_type": "$identify", "anonymous_id": "null"},
            DeadLetterReason.MISSING_FIELD,
            "$.properties.anonymous_id",
        ),
        (
            {"event_type": "$identify", "anonymous_id": "u1"},
            DeadLetterReason.INVALID_VALUE,
            "$.properties.anonymous_id",
        ),
        ({"event_type": "$alias", "anonymous_id": "a"}, DeadLetterReason.MISSING_FIELD, "$.properties.previous_id"),
        ({"event_type": "$split", "previous_id": 1.5}, DeadLetterReason.WRONG_TYPE, "$.properties.previous_id"),
    ],
)
def test_a_command_that_says_nothing_is_a_dead_letter(
    content: dict[str, Any], reason: DeadLetterReason, path: str
) -> None:
    (letter,) = Runner().run(event("u1", **content)).dead_letters
    assert (letter.reason, letter.path) == (reason, path)


def test_a_command_under_the_users_key_is_forwarded_to_the_other_ids_partition() -> None:
    runner = Runner(probe_pack())
    value = identity_event("$identify", "m", START_MS, "u", "a")
    (forward,) = runner.run_records([record(value, key=b"u")]).forwards
    assert (forward.entity, forward.key) == ("user", b"a")

"""What an erasure leaves of a user, and what may come after it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from support.folding import Runner, make_partition
from support.probe import DAY_MS, MINUTE_MS, START_MS, event, probe_pack, record
from support.timeline import at, forward
from ubi_stream.checkpoint import PartitionMemory
from ubi_stream.errors import ConfigError
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.kafka.changelog_store import PartitionedContent
from ubi_stream.operations.repartition_plan import new_memories
from ubi_stream.packs.loader import load_pack
from ubi_stream.state import erasure as erasures
from ubi_stream.state.codec import Tombstone, newer_state
from ubi_stream.state.erasure import Erasure, Erasures

VISIT = [at(n, event_id=f"e{n}", latency_ms=9000) for n in range(6)]


def erase(minutes: float, user: str = "u1", **fields: Any) -> dict[str, Any]:
    return event(user, START_MS + int(minutes * MINUTE_MS), "$erase", **fields)


def receipt(insights: list[Insight]) -> Insight:
    (found,) = [insight for insight in insights if insight.kind is InsightKind.ERASURE]
    return found


class TestAUserWhoIsErased:
    def test_nothing_is_left_but_a_hash(self) -> None:
        runner = Runner()
        name = "somebody-with-a-long-id"
        runner.run(*(at(n, name, latency_ms=9000) for n in range(6)), at(5, "u2"))
        chunks, _ = runner.partition.take_checkpoint()
        assert name.encode() in runner.states
        assert name.encode() in b"".join(chunk for _, chunk in chunks)  # that it was told about
        runner.run(erase(6, name))
        assert runner.state(name) is None
        chunks, states = runner.partition.take_checkpoint()
        assert isinstance(dict(states)[name.encode()], Tombstone)
        assert list(runner.states) == [b"u2"]
        assert name.encode() not in b"".join(chunk for _, chunk in chunks)
        assert len(runner.partition._memory.erased) == 1

    def test_of_one_who_was_told_about_the_partitions_record_has_no_id_either(self) -> None:
        runner = Runner()
        effects = runner.run(*VISIT)
        assert InsightKind.RISK in {insight.kind for insight in effects.insights}
        assert runner.partition.store.insight_histories().keys() == {"u1"}
        runner.run(erase(6))
        assert runner.partition.store.insight_histories() == {}

    def test_no_silence_and_no_answer_comes_of_it_any_more(self) -> None:
        delivered, erased = Runner(), Runner()
        for runner in (delivered, erased):
            runner.run(*VISIT)
        erased.run(erase(6))
        assert "u1" in {insight.user_id for insight in delivered.run(at(3 * 24 * 60, "u2")).insights}
        effects = erased.run(at(3 * 24 * 60, "u2"))
        assert "u1" not in {insight.user_id for insight in effects.insights}
        assert len(erased.partition.timers) == 1

    def test_what_happens_afterwards_is_of_a_new_user(self) -> None:
        runner = Runner()
        runner.run(*VISIT, erase(6))
        runner.run(at(7), at(8, event_id="e0"))  # an id of before is no duplicate
        state = runner.state("u1")
        assert state is not None
        assert (state.events, state.first_ms) == (2, START_MS + 7 * MINUTE_MS)

    def test_all_that_is_known_goes_whatever_the_commands_time(self) -> None:
        runner = Runner()
        runner.run(*VISIT, erase(6), at(9), erase(3))
        assert runner.state("u1") is None
        assert runner.run(at(5)).tally.erased == 1  # the later of both times counts

    def test_others_and_models_stay(self) -> None:
        runner = Runner()
        runner.run(*VISIT, at(5, "u2"))
        seen = runner.partition.models.n_seen
        runner.run(erase(6))
        assert runner.state("u2") is not None
        assert runner.partition.models.n_seen == seen == 7

    def test_it_goes_to_no_other_entity(self) -> None:
        runner = Runner()
        assert runner.run(event("u1", START_MS, "$erase", shop_id="s1")).forwards == []

    def test_time_does_not_move_on_by_it(self) -> None:
        runner = Runner()
        runner.run(at(0), erase(1000))
        assert runner.partition.progress.watermark_ms == START_MS - 2 * MINUTE_MS


class TestLateEvents:
    def test_what_happened_before_is_dropped_and_counted_and_no_dead_letter(self) -> None:
        runner = Runner()
        runner.run(*VISIT, erase(6))
        effects = runner.run(at(5.5), at(6), event("u1", START_MS, "$label", label="confirmed"))
        assert (effects.tally.erased, effects.dead_letters, effects.insights) == (3, [], [])
        assert effects.tally.accepted == {}
        assert runner.state("u1") is None

    def test_also_where_the_new_user_is_known(self) -> None:
        runner = Runner()
        runner.run(*VISIT, erase(6), at(7))
        assert runner.run(at(5.5)).tally.erased == 1
        state = runner.state("u1")
        assert state is not None
        assert state.events == 1

    def test_also_after_a_restart(self) -> None:
        runner = Runner()
        runner.run(*VISIT, erase(6))
        chunks, _ = runner.partition.take_checkpoint()
        restored = make_partition(probe_pack(), states=runner.states, chunks=dict(chunks))
        effects = restored.pipeline.run([record(at(5), 7)], forwarded=False)
        assert effects.tally.erased == 1
        assert restored.store.get("u1") is None

    def test_also_when_the_topics_were_made_anew(self) -> None:
        runner = Runner()
        runner.run(*VISIT, erase(6))
        chunks, _ = runner.partition.take_checkpoint()
        restored = make_partition(probe_pack(), states=runner.states, chunks=dict(chunks), epoch=2)
        assert restored.pipeline.run([record(at(5), 0)], forwarded=False).tally.erased == 1
        restored.pipeline.run([record(at(7), 1)], forwarded=False)
        assert restored.store.get("u1") is not None

    def test_also_when_they_come_by_another_partition(self) -> None:
        runner = Runner()
        runner.run(*VISIT, erase(6))
        assert runner.run_records([forward(at(5), 0, ("ubi.events/1", 3))]).tally.erased == 1

    def test_for_as_long_as_the_pack_says_by_arrival(self) -> None:
        runner = Runner()
        runner.run(*VISIT, erase(6))
        arrived_ms = START_MS + 6 * MINUTE_MS + 30 * DAY_MS
        assert runner.run(at(5), timestamp_ms=arrived_ms - 1).tally.erased == 1
        assert runner.run(at(5), timestamp_ms=arrived_ms).tally.erased == 0
        assert runner.state("u1") is not None


class TestARestartBeforeTheTombstone:
    def test_the_state_goes_and_the_command_is_not_taken_twice(self) -> None:
        runner = Runner()
        runner.run(*VISIT)
        runner.partition.take_checkpoint()
        left = dict(runner.states)
        runner.run(erase(6), at(7))
        chunks, _ = runner.partition.take_checkpoint()
        restored = make_partition(probe_pack(), states=left, chunks=dict(chunks))
        assert restored.store.get("u1") is None
        replayed = [record(content, 6 + n) for n, content in enumerate([erase(6), at(7)])]
        effects = restored.pipeline.run(replayed, forwarded=False)
        assert (effects.insights, effects.tally.replayed) == ([], 2)
        live = restored.store.get("u1")
        assert live is not None
        assert live.state.events == 1

    def test_a_user_who_never_came_back_gets_the_tombstone_then(self) -> None:
        runner = Runner()
        runner.run(*VISIT)
        runner.partition.take_checkpoint()
        left = dict(runner.states)
        runner.run(erase(6))
        chunks, _ = runner.partition.take_checkpoint()
        restored = make_partition(probe_pack(), states=left, chunks=dict(chunks))
        ((key, change),) = restored.take_checkpoint()[1]
        assert (key, isinstance(change, Tombstone)) == (b"u1", True)
        assert len(restored.timers) == 0

    def test_a_new_state_wins_over_that_of_before_whatever_its_time(self) -> None:
        runner = Runner()
        runner.run(at(9))
        _, before = runner.partition.take_checkpoint()
        runner.run(erase(6), at(7))
        _, after = runner.partition.take_checkpoint()
        content = PartitionedContent(newer_state)
        for key, change in [*before, *after]:
            content.apply(0, key, change)
        assert content.content(0) == runner.states


class TestTheReceipt:
    def test_it_says_what_is_gone_and_has_no_features(self) -> None:
        runner = Runner()
        runner.run(*VISIT)
        delivered = receipt(runner.run(erase(6, event_id="c1")).insights)
        assert delivered.explanation.summary == "What was known about the user was erased"
        assert (delivered.user_id, delivered.label, delivered.trace_id) == ("u1", "erased", "c1")
        assert delivered.explanation.contributions == ()
        assert delivered.evidence["parts"] == ("state", "open_questions", "what_was_told")
        assert "u1" not in json.dumps(msgspec.to_builtins(delivered.evidence))

    def test_nothing_known_is_said_as_well(self) -> None:
        delivered = receipt(Runner().run(erase(6, "nobody")).insights)
        assert (delivered.label, delivered.evidence["parts"]) == ("unknown", ())
        assert delivered.explanation.summary == "Nothing was known about this user that could be erased"

    def test_each_command_has_one_and_the_same_command_the_same_id(self) -> None:
        runner, again = Runner(), Runner()
        ids = [receipt(runner.run(erase(6, event_id="c")).insights).id for _ in range(2)]
        assert len(set(ids)) == 2
        assert receipt(again.run(erase(6, event_id="c")).insights).id == ids[0]

    def test_a_pack_may_say_it_in_other_words(self) -> None:
        runner = Runner(load_pack("ecommerce.de"))
        delivered = receipt(runner.run(event("u1", START_MS, "$erase")).insights)
        assert delivered.explanation.summary == "Über diesen Kunden war nichts bekannt, das zu löschen wäre"


class TestWhoIsKept:
    def test_the_key_makes_another_hash(self) -> None:
        hashes = {Erasures({}, key=key, keep_ms=1).hashed("u1") for key in (b"", b"a", b"b" * 100)}
        assert len(hashes) == 3
        assert {len(hashed) for hashed in hashes} == {24}

    def test_the_oldest_give_way_where_there_are_too_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(erasures, "MAX_ERASED", 2)
        runner = Runner()
        runner.run(*(erase(n, f"u{n}") for n in range(3)))
        dropped = runner.run(*(at(-1, f"u{n}") for n in range(3))).tally.erased
        assert (dropped, runner.state("u0") is not None) == (2, True)

    def test_those_that_count_no_more_go_with_the_next_one_after_a_day(self) -> None:
        runner = Runner()
        runner.run(erase(0))
        day = 24 * 60
        runner.run(erase(31 * day - 1, "u2"))
        assert len(runner.partition._memory.erased) == 2
        runner.run(erase(31 * day, "u3"))
        assert len(runner.partition._memory.erased) == 2

    def test_more_partitions_know_all_of_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def memory(**kept: Erasure) -> PartitionMemory:
            runner = Runner()
            runner.run(at(0))
            runner.partition.take_checkpoint()
            return msgspec.structs.replace(runner.partition._memory, erased=kept)

        before = [memory(a=Erasure(5, 10, 3), b=Erasure(1, 20)), memory(b=Erasure(2, 30, 7, {"t/0": 1}))]
        made = new_memories(before, [{}, {}, {}])
        assert [one.erased for one in made] == [{"a": Erasure(5, 10), "b": Erasure(2, 30)}] * 3
        monkeypatch.setattr("ubi_stream.operations.repartition_plan.MAX_ERASED", 1)
        assert new_memories(before, [{}])[0].erased == {"b": Erasure(2, 30)}


def test_a_pack_may_not_have_a_type_of_that_name() -> None:
    with pytest.raises(ConfigError, match="reserved"):
        probe_pack(('types = ["view", "cart", "purchase"]', 'types = ["view", "cart", "purchase", "$erase"]'))

"""What is not folded again: duplicates, forwards that come twice, what a replay brings; and what a cut gives."""

from __future__ import annotations

import pytest

from support.folding import Runner, make_partition
from support.probe import probe_pack, record
from support.timeline import at, forward
from ubi_stream.errors import RecoveryError
from ubi_stream.state.codec import decode_state


class TestDuplicates:
    def test_the_same_event_id_changes_nothing(self) -> None:
        runner = Runner()
        tally = runner.run(at(0, event_id="e"), at(1, event_id="e"), at(2, event_id="f")).tally
        state = runner.state("u1")
        assert (tally.accepted.total(), tally.duplicates) == (2, 1)
        assert state is not None
        assert state.events == 2

    def test_another_user_may_use_the_same_id(self) -> None:
        assert Runner().run(at(0, "a", event_id="e"), at(1, "b", event_id="e")).tally.duplicates == 0

    def test_an_id_is_remembered_for_the_packs_time(self) -> None:
        runner = Runner()
        runner.run(at(0, event_id="e"), at(23 * 60, event_id="x"))
        assert runner.run(at(23.9 * 60, event_id="e")).tally.duplicates == 1
        runner.run(at(24.1 * 60, event_id="y"))
        assert runner.run(at(24.2 * 60, event_id="e")).tally.duplicates == 0

    def test_so_many_ids_are_remembered_and_no_more(self) -> None:
        runner = Runner()
        runner.run(*(at(n / 10, event_id=f"e{n}") for n in range(45)))
        state = runner.state("u1")
        assert state is not None
        assert len(state.recent_ids) == 30
        assert runner.run(at(5, event_id="e44")).tally.duplicates == 1
        assert runner.run(at(5, event_id="e0")).tally.duplicates == 0

    def test_a_pack_may_remember_none(self) -> None:
        runner = Runner(probe_pack(("dedup_max_ids = 30", "dedup_max_ids = 0")))
        assert runner.run(at(0, event_id="e"), at(1, event_id="e")).tally.duplicates == 0


class TestForwards:
    def test_a_forward_that_comes_twice_counts_once(self) -> None:
        runner = Runner()
        sent = [forward(at(n), n, ("ubi.events/0", 40 + n)) for n in range(3)]
        again = [forward(at(n), 3 + n, ("ubi.events/0", 40 + n)) for n in range(3)]
        tally = runner.run_records(sent).tally
        tally.add(runner.run_records(again).tally)
        assert (tally.accepted.total(), tally.replayed) == (3, 3)

    def test_senders_are_told_apart(self) -> None:
        runner = Runner()
        tasks = [("ubi.events/0", 9), ("ubi.events/1", 5), ("ubi.events/0", 10), ("ubi.events/1", 6)]
        tally = runner.run_records([forward(at(n), n, task) for n, task in enumerate(tasks)]).tally
        assert tally.accepted.total() == 4

    def test_an_event_that_took_a_detour_counts_although_a_later_one_of_its_origin_came_first(self) -> None:
        #  origin ubi.events/0:  7 under a wrong key ----> by-user/1 (its user) ----> shop
        #                        8 under the right key -----------------------------> shop, earlier
        runner = Runner(entity="shop")
        direct = forward(at(1, event_type="purchase", shop_id="s"), 0, ("ubi.events/0", 8))
        detour = forward(at(0, event_type="purchase", shop_id="s"), 1, ("ubi.events.by-user/1", 7))
        tally = runner.run_records([direct, detour]).tally
        state = runner.state("s")
        assert tally.accepted["purchase"] == 2
        assert state is not None
        assert len(state.log) == 2

    def test_what_a_sender_forwarded_is_known_after_the_entity_was_forgotten(self) -> None:
        runner = Runner()
        runner.run_records([forward(at(0, "gone"), 0, ("ubi.events/0", 40))])
        runner.run(at(3 * 24 * 60, "other"), at(3 * 24 * 60 + 5, "other"))
        assert runner.state("gone") is None
        assert runner.run_records([forward(at(0, "gone"), 1, ("ubi.events/0", 40))]).tally.replayed == 1
        assert runner.state("gone") is None

    def test_a_state_remembers_one_offset_a_sender(self) -> None:
        runner = Runner()
        runner.run_records([forward(at(n / 10), n, (f"ubi.events/{n % 3}", n)) for n in range(60)])
        state = runner.state("u1")
        assert state is not None
        assert state.forwarded == {"ubi.events/0": 57, "ubi.events/1": 58, "ubi.events/2": 59}


class TestReplay:
    def test_what_a_state_contains_is_not_folded_again(self) -> None:
        runner = Runner()
        runner.run(at(0), at(1))
        chunks, _ = runner.partition.take_checkpoint()
        restored = make_partition(probe_pack(), states=dict(runner.states), chunks=dict(chunks))
        effects = restored.pipeline.run([record(at(n), n) for n in range(3)], forwarded=False)
        assert (effects.tally.replayed, effects.tally.accepted.total()) == (2, 1)
        live = restored.store.get("u1")
        assert live is not None
        assert live.state.events == 3

    def test_what_was_learned_is_folded_where_the_state_lacks_it_and_nothing_else(self) -> None:
        runner = Runner()
        delivered = runner.run(*(at(n, latency_ms=5000) for n in range(4)))
        chunks, _ = runner.partition.take_checkpoint()
        restored = make_partition(probe_pack(), states={}, chunks=dict(chunks))
        effects = restored.pipeline.run([record(at(n, latency_ms=5000), n) for n in range(4)], forwarded=False)
        live = restored.store.get("u1")
        assert delivered.insights
        assert effects.insights == []
        assert effects.features == []
        assert effects.forwards == []
        assert effects.tally.replayed == 4
        assert live is not None
        assert live.state == runner.state("u1")

    def test_every_record_is_in_exactly_one_count_also_when_it_comes_again(self) -> None:
        pack = probe_pack(('unknown = "dead_letter"', 'unknown = "drop"'))
        runner = Runner(pack)
        batch = [
            record(at(0, event_id="a"), 0),
            record(at(0, event_id="a"), 1),
            record(b"{", 2),
            record(at(1, event_type="ring"), 3),
            record(at(2), 4, key=b"stranger"),
            record(at(3, "u2"), 5),
        ]
        tally = runner.run_records(batch).tally
        assert (tally.accepted.total(), tally.duplicates, tally.unwanted, tally.moved) == (2, 1, 1, 1)
        assert tally.dead_letters.total() == 1
        assert tally.replayed == 0
        again = runner.run_records(batch)
        assert again.tally.replayed == len(batch)
        assert again.tally.accepted.total() + again.tally.unwanted + again.tally.moved + again.tally.duplicates == 0
        assert again.dead_letters == []
        assert again.forwards == []

    def test_an_event_about_no_shop_is_unwanted_among_shops(self) -> None:
        runner = Runner(entity="shop")
        assert runner.run_records([forward(at(0), 0, ("ubi.events/0", 1))]).tally.unwanted == 1

    def test_offsets_of_another_life_of_the_topic_say_nothing(self) -> None:
        runner = Runner(epoch=1)
        runner.run(*(at(n) for n in range(5)))
        runner.run_records([forward(at(6), 0, ("ubi.events/1", 40))])
        chunks, _ = runner.partition.take_checkpoint()
        reborn = make_partition(probe_pack(), states=dict(runner.states), chunks=dict(chunks), epoch=2)
        assert reborn.progress.watermark_ms == runner.partition.progress.watermark_ms
        tally = reborn.pipeline.run([record(at(7 + n), n) for n in range(3)], forwarded=False).tally
        tally.add(reborn.pipeline.run([forward(at(20), 0, ("ubi.events/1", 3))], forwarded=True).tally)
        live = reborn.store.get("u1")
        assert tally.accepted.total() == 4
        assert live is not None
        assert live.state.events == 10


def test_a_state_that_cannot_be_read_is_told_at_the_start() -> None:
    with pytest.raises(RecoveryError):
        make_partition(probe_pack(), states={b"u1": b"nonsense"})


def test_a_cut_gives_what_changed_and_nothing_else() -> None:
    runner = Runner()
    runner.run(at(0, "a"), at(1, "b"))
    assert {key for key, _ in runner.partition.take_checkpoint()[1]} == {b"a", b"b"}
    runner.run(at(2, "b"))
    ((key, blob),) = runner.partition.take_checkpoint()[1]
    assert key == b"b"
    assert isinstance(blob, bytes)
    assert decode_state(blob)[0].offset == 2

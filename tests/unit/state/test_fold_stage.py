"""What becomes of an event on its way into a state: new, duplicate, replayed, late, a label, or after an age."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from support.folding import Runner, make_partition
from support.probe import DAY_MS, EVENTS_TOPIC, HOUR_MS, MINUTE_MS, START_MS, event, probe_pack, record
from ubi_stream.errors import RecoveryError
from ubi_stream.events.model import Record
from ubi_stream.insights.model import InsightKind
from ubi_stream.state.codec import decode_state


def at(minutes: float, user: str = "u1", **fields: Any) -> dict[str, Any]:
    return event(user, START_MS + int(minutes * MINUTE_MS), **fields)


def forward(content: dict[str, Any], offset: int, sender: tuple[str, int]) -> Record:
    """A record of the users' repartition topic, forwarded from that topic/partition and offset."""
    lane, sender_offset = sender
    topic, _, partition = lane.rpartition("/")
    time = str(content["event_time"])
    entered = [("topic", EVENTS_TOPIC), ("partition", partition), ("offset", str(sender_offset)), ("time", time)]
    headers = [(f"ubi-source-{name}", value.encode()) for name, value in entered]
    if topic != EVENTS_TOPIC:
        headers.append(("ubi-sender", f"{lane}/{sender_offset}".encode()))
    return record(content, offset, topic="ubi.events.by-user", headers=tuple(headers))


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
        lanes = [("ubi.events/0", 9), ("ubi.events/1", 5), ("ubi.events/0", 10), ("ubi.events/1", 6)]
        tally = runner.run_records([forward(at(n), n, lane) for n, lane in enumerate(lanes)]).tally
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
        pieces, _ = runner.partition.cut()
        restored = make_partition(probe_pack(), states=dict(runner.states), pieces=dict(pieces))
        effects = restored.pipeline.run([record(at(n), n) for n in range(3)], forwarded=False)
        assert (effects.tally.replayed, effects.tally.accepted.total()) == (2, 1)
        live = restored.store.get("u1")
        assert live is not None
        assert live.state.events == 3

    def test_what_was_learned_is_folded_where_the_state_lacks_it_and_nothing_else(self) -> None:
        runner = Runner()
        told = runner.run(*(at(n, latency_ms=5000) for n in range(4)))
        pieces, _ = runner.partition.cut()
        restored = make_partition(probe_pack(), states={}, pieces=dict(pieces))
        effects = restored.pipeline.run([record(at(n, latency_ms=5000), n) for n in range(4)], forwarded=False)
        live = restored.store.get("u1")
        assert told.insights
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
        pieces, _ = runner.partition.cut()
        reborn = make_partition(probe_pack(), states=dict(runner.states), pieces=dict(pieces), epoch=2)
        assert reborn.progress.watermark_ms == runner.partition.progress.watermark_ms
        tally = reborn.pipeline.run([record(at(7 + n), n) for n in range(3)], forwarded=False).tally
        tally.add(reborn.pipeline.run([forward(at(20), 0, ("ubi.events/1", 3))], forwarded=True).tally)
        live = reborn.store.get("u1")
        assert tally.accepted.total() == 4
        assert live is not None
        assert live.state.events == 10


class TestTime:
    def test_an_event_behind_the_watermark_is_late_and_counts(self) -> None:
        #   watermark = 10 - 2 (lateness)
        #   7.9   8          10
        #   late  in time    newest
        runner = Runner()
        assert runner.run(at(10), at(8)).tally.late == 0
        assert runner.run(at(7.9)).tally.late == 1
        state = runner.state("u1")
        assert state is not None
        assert state.events == 3

    def test_the_watermark_never_goes_back(self) -> None:
        runner = Runner()
        runner.run(at(10), at(0))
        assert runner.partition.progress.watermark_ms == START_MS + 8 * MINUTE_MS

    def test_a_clock_that_is_ahead_does_not_make_everybody_else_late(self) -> None:
        runner = Runner()
        runner.run(event("fast", START_MS + 20 * HOUR_MS), timestamp_ms=START_MS)
        assert runner.partition.progress.watermark_ms == START_MS - 2 * MINUTE_MS
        assert runner.run(at(1)).tally.late == 0

    def test_a_dead_letter_does_not_move_time(self) -> None:
        runner = Runner()
        runner.run(at(0), event(at_ms=START_MS + DAY_MS, event_type="ring"))
        assert runner.partition.progress.watermark_ms == START_MS - 2 * MINUTE_MS


class TestSilences:
    def test_a_visit_is_told_when_the_watermark_passes_its_gap(self) -> None:
        #   0  1 (u1)         11 gap over    13 (u2) - 2 = watermark 11
        runner = Runner()
        runner.run(at(0), at(1))
        assert runner.run(at(12.9, "u2")).insights == []
        (session,) = [i for i in runner.run(at(13, "u2")).insights if i.kind is InsightKind.SESSION]
        assert (session.user_id, session.at_ms) == ("u1", START_MS)
        assert session.source.offset == 3  # the event that brought it to light

    def test_a_visit_is_told_once_by_the_silence_or_by_the_next_event(self) -> None:
        by_silence, by_event = Runner(), Runner()
        by_silence.run(at(0), at(1), at(13, "u2"))
        kinds = [insight.kind for insight in by_silence.run(at(14)).insights]
        assert InsightKind.SESSION not in kinds
        by_event.run(at(0), at(1))
        (session,) = [i for i in by_event.run(at(30)).insights if i.kind is InsightKind.SESSION]
        assert session.user_id == "u1"

    def test_a_visit_has_one_id_and_time_whoever_brings_its_end_to_light(self) -> None:
        by_silence, by_event = Runner(), Runner()
        by_silence.run(at(0), at(1))
        by_event.run(at(0), at(1))
        told = [i for i in by_silence.run(at(13, "u2")).insights if i.user_id == "u1"]
        same = [i for i in by_event.run(at(30)).insights if i.kind in {insight.kind for insight in told}]
        assert {(i.kind, i.id, i.at_ms) for i in told} == {(i.kind, i.id, i.at_ms) for i in same}
        assert InsightKind.SESSION in {i.kind for i in told}

    def test_a_dormant_user_is_told_and_known_again_when_they_come_back(self) -> None:
        runner = Runner()
        runner.run(*(at(n) for n in range(4)))
        dormant = [i for i in runner.run(at(400, "u2")).insights if i.label == "dormant"]
        assert [i.user_id for i in dormant] == ["u1"]
        back = [i for i in runner.run(at(401), at(402), at(403)).insights if i.kind is InsightKind.SEGMENT]
        assert [(i.label, i.evidence["before"]) for i in back] == [("browser", "passer_by")]

    def test_a_late_event_after_a_comeback_is_no_second_comeback(self) -> None:
        runner = Runner()
        runner.run(*(at(n) for n in range(4)))
        runner.run(at(401), at(402), at(403))
        again = runner.run(at(402.5))
        assert [i.label for i in again.insights if i.kind is InsightKind.SEGMENT] == []

    def test_an_entity_is_forgotten_a_day_after_its_retention(self) -> None:
        runner = Runner()
        runner.run(at(0))
        day = 24 * 60
        runner.run(at(2 * day + 1.9, "u2"))
        assert runner.state("u1") is not None
        runner.run(at(2 * day + 2, "u2"))
        assert runner.state("u1") is None
        _, records = runner.partition.cut()
        assert dict(records)[b"u1"] is None
        assert b"u1" not in runner.states

    def test_until_the_cut_a_forgotten_record_stays_in_the_table(self) -> None:
        """A batch that raises is repeated from the table as of the last cut."""
        runner = Runner()
        runner.run(at(0))
        runner.partition.cut()
        runner.run(at(3 * 24 * 60, "u2"))
        assert runner.state("u1") is None
        assert b"u1" in runner.states

    @pytest.mark.parametrize("tombstone_survived", [True, False])
    def test_after_the_retention_an_entity_begins_anew_whether_or_not_its_record_is_there(
        self, tombstone_survived: bool
    ) -> None:
        runner = Runner()
        runner.run(at(0, event_id="e"), at(1, session_id="s"))
        if tombstone_survived:
            runner.run(at(3 * 24 * 60, "u2"))
        runner.run(at(3 * 24 * 60 + 1, event_id="e"))
        state = runner.state("u1")
        assert state is not None
        assert (state.events, state.first_ms, state.session.id) == (1, START_MS + 3 * DAY_MS + MINUTE_MS, None)

    def test_a_visit_that_ended_before_the_entity_began_anew_is_told(self) -> None:
        runner = Runner()
        runner.run(at(0), at(1))
        effects = runner.run(at(2 * 24 * 60))  # alone in the partition: no other event moved the watermark
        assert [i.kind for i in effects.insights if i.kind is InsightKind.SESSION] == [InsightKind.SESSION]

    def test_a_very_late_event_does_not_stay_for_ever(self) -> None:
        runner = Runner()
        runner.run(at(10 * 24 * 60, "u2"))
        runner.run(at(0, "late"))
        assert runner.state("late") is not None
        runner.run(at(10 * 24 * 60 + 1, "u2"))
        assert runner.state("late") is None

    def test_a_tombstone_that_a_crash_lost_is_made_up_for(self) -> None:
        runner = Runner()
        runner.run(at(0))
        runner.partition.cut()
        before = dict(runner.states)
        runner.run(at(3 * 24 * 60, "u2"))
        pieces, _ = runner.partition.cut()
        restored = make_partition(probe_pack(), states=before, pieces=dict(pieces))
        restored.pipeline.run([record(at(3 * 24 * 60 + 1, "u2"), 5)], forwarded=False)
        assert restored.store.get("u1") is None


class TestLabels:
    PAYMENT: ClassVar[dict[str, Any]] = {"event_type": "purchase", "shop_id": "s", "order_id": "o1", "price": 5}

    def label(self, minutes: float, *, bad: object = True, order: object = "o1", event_id: str = "l") -> dict[str, Any]:
        properties = {"order_id": order, "bad": bad, "shop_id": "s"}
        return at(minutes, event_type="$label", event_id=event_id, properties=properties)

    def runner(self) -> Runner:
        return Runner(entity="shop")

    def send(self, runner: Runner, *contents: dict[str, Any]) -> int:
        """Unmatched labels among these."""
        start = runner.offset
        runner.offset += len(contents)
        records = [forward(c, start + n, ("ubi.events/0", start + n)) for n, c in enumerate(contents)]
        return runner.run_records(records).tally.unmatched_labels

    def bad(self, runner: Runner) -> list[bool | None]:
        state = runner.state("s")
        assert state is not None
        return [entry.outcome for entry in state.log]

    def test_a_label_after_its_event(self) -> None:
        runner = self.runner()
        assert self.send(runner, at(0, **self.PAYMENT), self.label(5)) == 0
        assert self.bad(runner) == [True]

    def test_a_label_before_its_event_is_unmatched_and_not_lost_from_the_counts(self) -> None:
        runner = self.runner()
        assert self.send(runner, self.label(0), at(1, **self.PAYMENT)) == 1
        assert self.bad(runner) == [None]

    def test_a_label_that_comes_twice_counts_once(self) -> None:
        runner = self.runner()
        self.send(runner, at(0, **self.PAYMENT), self.label(5), self.label(6))
        state = runner.state("s")
        assert state is not None
        assert (state.labels, self.bad(runner)) == (1, [True])

    def test_a_later_label_corrects_an_earlier_one(self) -> None:
        runner = self.runner()
        self.send(runner, at(0, **self.PAYMENT), self.label(5), self.label(6, bad=False, event_id="l2"))
        assert self.bad(runner) == [False]

    @pytest.mark.parametrize("change", [{"order": "other"}, {"order": None}, {"bad": "yes"}, {"bad": None}, {"bad": 1}])
    def test_a_label_of_nothing_known_is_counted(self, change: dict[str, Any]) -> None:
        runner = self.runner()
        assert self.send(runner, at(0, **self.PAYMENT), self.label(5, **change)) == 1
        assert self.bad(runner) == [None]

    def test_a_number_and_its_text_are_the_same_reference(self) -> None:
        runner = self.runner()
        payment = at(0, **(self.PAYMENT | {"order_id": 17}))
        assert self.send(runner, payment, self.label(5, order="17")) == 0

    def test_a_label_makes_no_unknown_entity_known(self) -> None:
        runner = self.runner()
        assert self.send(runner, self.label(0)) == 1
        assert runner.state("s") is None
        assert runner.partition.cut()[1] == []

    def test_a_label_long_after_is_no_sign_of_life(self) -> None:
        """Neither does it make what is known be forgotten, nor is it a visit."""
        runner = self.runner()
        self.send(runner, at(0, **self.PAYMENT), self.label(26 * 60))
        state = runner.state("s")
        assert state is not None
        assert (state.events, state.last_ms, self.bad(runner)) == (1, START_MS, [True])

    def test_the_window_of_a_feature_ends_the_delay_before(self) -> None:
        #   0 payment, labelled bad      3 h: its window ends at 0 and holds it
        runner = self.runner()
        self.send(runner, at(0, **self.PAYMENT), self.label(5))
        later = [at(m, **(self.PAYMENT | {"order_id": f"o{m}"})) for m in (179, 180)]
        records = [forward(c, 10 + n, ("ubi.events/0", 10 + n)) for n, c in enumerate(later)]
        rows = [row.features for row in runner.run_records(records).features]
        assert [row["exact_count_1d"] for row in rows] == [0.0, 1.0]
        assert [row["exact_bad_share_1d"] for row in rows] == [0.0, 1.0]


def test_a_state_that_cannot_be_read_is_told_at_the_start() -> None:
    with pytest.raises(RecoveryError):
        make_partition(probe_pack(), states={b"u1": b"nonsense"})


def test_a_cut_gives_what_changed_and_nothing_else() -> None:
    runner = Runner()
    runner.run(at(0, "a"), at(1, "b"))
    assert {key for key, _ in runner.partition.cut()[1]} == {b"a", b"b"}
    runner.run(at(2, "b"))
    ((key, blob),) = runner.partition.cut()[1]
    assert key == b"b"
    assert blob is not None
    assert decode_state(blob)[0].offset == 2

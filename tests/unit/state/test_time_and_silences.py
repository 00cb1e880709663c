"""What the watermark brings: late events, ends of visits, dormancy, and entities that are forgotten."""

from __future__ import annotations

import pytest

from support.folding import Runner, make_partition
from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event, probe_pack, record
from support.timeline import at
from support.visits import visits_of
from ubi_stream.insights.model import InsightKind
from ubi_stream.state.codec import Tombstone


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
        assert runner.run(at(12.9, "u2")).visits == []
        (visit,) = visits_of(runner.run(at(13, "u2")))
        assert (visit.user_id, visit.session_start_ms) == ("u1", START_MS)
        assert visit.source.offset == 3  # the event that brought it to light

    def test_a_visit_is_told_once_by_the_silence_or_by_the_next_event(self) -> None:
        by_silence, by_event = Runner(), Runner()
        by_silence.run(at(0), at(1), at(13, "u2"))
        assert by_silence.run(at(14)).visits == []
        by_event.run(at(0), at(1))
        (visit,) = visits_of(by_event.run(at(30)))
        assert visit.user_id == "u1"

    def test_a_visit_has_one_id_and_time_whoever_brings_its_end_to_light(self) -> None:
        by_silence, by_event = Runner(), Runner()
        by_silence.run(at(0), at(1))
        by_event.run(at(0), at(1))
        (delivered,) = visits_of(by_silence.run(at(13, "u2")))
        (same,) = visits_of(by_event.run(at(30)))
        assert (delivered.id, delivered.session_start_ms, delivered.session_end_ms) == (
            same.id,
            same.session_start_ms,
            same.session_end_ms,
        )

    def test_a_dormant_user_is_told_and_known_again_when_they_come_back(self) -> None:
        runner = Runner()
        runner.run(*(at(n) for n in range(4)))
        dormant = [i for i in runner.run(at(400, "u2")).insights if i.label == "dormant"]
        assert [i.user_id for i in dormant] == ["u1"]
        back = [i for i in runner.run(at(401), at(402), at(403)).insights if i.kind is InsightKind.SEGMENT]
        assert [(i.label, i.evidence["before"]) for i in back] == [("passer_by", "dormant"), ("browser", "passer_by")]

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
        _, records = runner.partition.take_checkpoint()
        assert isinstance(dict(records)[b"u1"], Tombstone)
        assert b"u1" not in runner.states

    def test_until_the_cut_a_forgotten_record_stays_in_the_table(self) -> None:
        """A batch that raises is repeated from the table as of the last cut."""
        runner = Runner()
        runner.run(at(0))
        runner.partition.take_checkpoint()
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
        assert [visit.total_events for visit in visits_of(effects)] == [2]

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
        runner.partition.take_checkpoint()
        before = dict(runner.states)
        runner.run(at(3 * 24 * 60, "u2"))
        chunks, _ = runner.partition.take_checkpoint()
        restored = make_partition(probe_pack(), states=before, chunks=dict(chunks))
        restored.pipeline.run([record(at(3 * 24 * 60 + 1, "u2"), 5)], forwarded=False)
        assert restored.store.get("u1") is None

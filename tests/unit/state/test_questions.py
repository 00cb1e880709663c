"""Questions about a user's future: asked once, answered once, by whatever comes first; the same after a restart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from support.folding import Runner, make_partition
from support.probe import MINUTE_MS, START_MS, probe_pack, record
from support.timeline import at
from ubi_stream.features.stage import Featurized
from ubi_stream.models.stage import PartitionModels
from ubi_stream.state.pending import DelayedLabel

LATENESS_MIN, GAP_MIN = 2, 10


@pytest.fixture
def delayed_labels(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, DelayedLabel]]:
    """What the models were given, in order: the entity, and the answer."""
    given: list[tuple[str, DelayedLabel]] = []
    real = PartitionModels.score_and_learn

    def listen(self: PartitionModels, batch: Featurized, segments: Sequence[str]) -> Any:
        given.extend(
            (change.entity_id, answer) for change in batch.changes if change.new for answer in change.delayed_labels
        )
        return real(self, batch, segments)

    monkeypatch.setattr(PartitionModels, "score_and_learn", listen)
    return given


def of(delayed_labels: list[tuple[str, DelayedLabel]], outcome: str) -> list[tuple[bool, float, bool]]:
    """Yes or no, the minute since the start, and whether it came late."""
    return [
        (answer.positive, (answer.at_ms - START_MS) / MINUTE_MS, answer.late)
        for _, answer in delayed_labels
        if answer.pending.outcome == outcome
    ]


class TestVisits:
    def test_a_visit_with_a_yes_after_the_question(self, delayed_labels: list[tuple[str, DelayedLabel]]) -> None:
        Runner().run(at(0), at(3, event_type="purchase", price=9), at(4), at(30, event_type="cart"))
        assert of(delayed_labels, "buys_in_visit") == [(True, 30.0, False)]

    def test_a_visit_without_one_is_answered_by_the_silence(
        self, delayed_labels: list[tuple[str, DelayedLabel]]
    ) -> None:
        runner = Runner()
        runner.run(at(0), at(1), at(1 + GAP_MIN + LATENESS_MIN, "u2"))
        assert of(delayed_labels, "buys_in_visit") == [(False, 1.0 + GAP_MIN, False)]
        runner.run(at(60))  # says the same again: not told twice
        assert len(of(delayed_labels, "buys_in_visit")) == 2  # the other one is u2's
        assert [user for user, answer in delayed_labels if answer.pending.outcome == "buys_in_visit"] == ["u1", "u2"]

    def test_after_a_yes_nothing_is_asked_about_the_same_visit(self) -> None:
        runner = Runner()
        runner.run(at(0, event_type="purchase", price=1), at(1), at(2))
        state = runner.state("u1")
        assert state is not None
        assert [pending.outcome for pending in state.pending_predictions] == ["buys_soon", "comes_back"]

    def test_one_event_is_asked_at_whatever_the_order_of_hashes(self) -> None:
        chosen = set()
        for seed in range(12):
            runner = Runner()
            runner.run(*(at(n, event_id=f"{seed}/{n}") for n in range(4)))
            state = runner.state("u1")
            assert state is not None
            (pending,) = (q for q in state.pending_predictions if q.outcome == "buys_in_visit")
            chosen.add(pending.asked_ms)
        assert len(chosen) > 1  # else it is always the first


class TestHorizons:
    def test_a_yes_is_learned_when_the_horizon_ends_as_a_no_is(
        self, delayed_labels: list[tuple[str, DelayedLabel]]
    ) -> None:
        runner = Runner()
        runner.run(at(0), at(30, event_type="purchase", price=3), at(45 + LATENESS_MIN - 0.1, "u2"))
        assert of(delayed_labels, "buys_soon") == []
        runner.run(at(45 + LATENESS_MIN, "u2"))
        assert of(delayed_labels, "buys_soon") == [(True, 45.0, False)]

    def test_after_a_yes_the_next_question_is_asked_while_the_first_waits(self) -> None:
        runner = Runner()
        runner.run(at(0), at(5, event_type="purchase", price=3), at(6))
        state = runner.state("u1")
        assert state is not None
        asked = [(q.answer, q.settled) for q in state.pending_predictions if q.outcome == "buys_soon"]
        assert asked == [(True, True), (None, False)]

    def test_of_many_visits_within_the_horizon_some_are_asked_about(self) -> None:
        runner = Runner()
        runner.run(*(at(n * (GAP_MIN + 1)) for n in range(9)))
        state = runner.state("u1")
        assert state is not None
        asked = [(q.asked_ms - START_MS) / MINUTE_MS for q in state.pending_predictions if q.outcome == "comes_back"]
        assert asked == [0.0, 11.0, 22.0, 33.0]

    def test_the_end_of_the_horizon_is_a_no(self, delayed_labels: list[tuple[str, DelayedLabel]]) -> None:
        Runner().run(at(0), at(45 + LATENESS_MIN - 0.1, "u2"), at(45 + LATENESS_MIN, "u2"))
        assert of(delayed_labels, "buys_soon") == [(False, 45.0, False)]

    def test_a_yes_that_comes_after_the_watermark_says_so(self, delayed_labels: list[tuple[str, DelayedLabel]]) -> None:
        Runner().run(at(0), at(48, "u2"), at(44, event_type="purchase", price=3))
        assert of(delayed_labels, "buys_soon") == [(False, 45.0, False), (True, 44.0, True)]

    def test_another_visit_is_a_return_an_event_of_the_same_is_none(
        self, delayed_labels: list[tuple[str, DelayedLabel]]
    ) -> None:
        runner = Runner()
        runner.run(at(0), at(5))
        assert of(delayed_labels, "comes_back") == []
        runner.run(at(40))
        assert of(delayed_labels, "comes_back") == []
        runner.run(at(125 + LATENESS_MIN, "u2"))  # it was asked at the first event or at the second
        assert [positive for positive, *_ in of(delayed_labels, "comes_back")] == [True]

    def test_who_stays_away_did_not_return(self, delayed_labels: list[tuple[str, DelayedLabel]]) -> None:
        Runner().run(at(0), at(60, "u2"), at(120 + LATENESS_MIN, "u2"))
        assert of(delayed_labels, "comes_back") == [(False, 120.0, False)]

    def test_a_horizon_that_ends_within_a_restart_is_answered_once(
        self, delayed_labels: list[tuple[str, DelayedLabel]]
    ) -> None:
        runner = Runner()
        runner.run(at(0))
        chunks, _ = runner.partition.take_checkpoint()
        back = make_partition(probe_pack(), states=runner.states, chunks=dict(chunks))
        for offset, minute in ((1, 46.0), (2, 47.0), (3, 50.0)):
            back.pipeline.run([record(at(minute, "u2"), offset)], forwarded=False)
        assert of(delayed_labels, "buys_soon") == [(False, 45.0, False)]


class TestLabels:
    def test_a_label_answers_the_event_that_it_names(self, delayed_labels: list[tuple[str, DelayedLabel]]) -> None:
        runner = Runner()
        runner.run(at(0, order_id="a"), at(1, order_id="b"))
        tally = runner.run(at(2, event_type="$label", order_id="a", bad=True)).tally
        assert tally.unmatched_labels == 0
        runner.run(at(61 + LATENESS_MIN, "u2"))
        assert of(delayed_labels, "bad") == [(True, 60.0, False), (False, 61.0, False)]

    def test_the_newest_label_within_the_horizon_counts(self, delayed_labels: list[tuple[str, DelayedLabel]]) -> None:
        runner = Runner()
        labels = (at(n, event_type="$label", order_id="a", bad=bad) for n, bad in ((2, True), (3, False)))
        runner.run(at(0, order_id="a"), *labels, at(60 + LATENESS_MIN, "u2"))
        assert of(delayed_labels, "bad") == [(False, 60.0, False)]

    def test_a_late_label_that_says_what_time_said_is_not_learned_again(
        self, delayed_labels: list[tuple[str, DelayedLabel]]
    ) -> None:
        runner = Runner()
        runner.run(at(0, order_id="a"), at(63, "u2"))
        tally = runner.run(at(64, event_type="$label", order_id="a", bad=False)).tally
        assert of(delayed_labels, "bad") == [(False, 60.0, False)]
        assert tally.unmatched_labels == 0

    def test_without_a_label_the_horizon_is_a_no_and_a_later_label_is_late(
        self, delayed_labels: list[tuple[str, DelayedLabel]]
    ) -> None:
        runner = Runner()
        runner.run(at(0, order_id="a"), at(63, "u2"), at(64, event_type="$label", order_id="a", bad=True))
        assert of(delayed_labels, "bad") == [(False, 60.0, False), (True, 64.0, True)]

    def test_the_oldest_of_too_many_gives_way(self) -> None:
        runner = Runner()
        runner.run(*(at(n, order_id=f"o{n}") for n in range(6)))
        state = runner.state("u1")
        assert state is not None
        assert [q.asked_ms for q in state.pending_predictions if q.outcome == "bad"] == [
            START_MS + n * MINUTE_MS for n in (3, 4, 5)
        ]
        assert runner.run(at(7, event_type="$label", order_id="o0", bad=True)).tally.unmatched_labels == 1


class TestRows:
    def test_questions_of_one_event_share_the_features(self, delayed_labels: list[tuple[str, DelayedLabel]]) -> None:
        runner = Runner()
        runner.run(at(0, order_id="a"))
        state = runner.state("u1")
        assert state is not None
        assert len(state.pending_predictions) == 4
        ((kept, row),) = state.rows.items()
        assert {pending.id for pending in state.pending_predictions} == {kept}
        runner.run(at(1, event_type="$label", order_id="a", bad=True), at(2, event_type="purchase", price=9))
        runner.run(at(61 + LATENESS_MIN, "u2"))
        assert [answer.row for _, answer in delayed_labels if answer.pending.id == kept] == [row, row, row]

    def test_a_row_goes_with_the_last_question_that_was_asked_with_it(self) -> None:
        runner = Runner()
        for n in range(40):
            runner.run(at(n * 7, order_id=f"o{n}", event_type=("view", "cart", "purchase")[n % 3], price=n))
            state = runner.state("u1")
            assert state is not None
            assert set(state.rows) == {pending.id for pending in state.pending_predictions}


def test_questions_that_the_pack_asks_no_more_are_dropped() -> None:
    runner = Runner()
    runner.run(at(0))
    chunks, _ = runner.partition.take_checkpoint()
    pack = probe_pack(('name = "buys_soon"', 'name = "another"'))
    back = make_partition(pack, states=runner.states, chunks=dict(chunks))
    back.pipeline.run([record(at(1), 1)], forwarded=False)
    live = back.store.get("u1")
    assert live is not None
    assert {pending.outcome for pending in live.state.pending_predictions} == {"buys_in_visit", "comes_back", "another"}


def test_a_question_about_the_past_is_never_answered(delayed_labels: list[tuple[str, DelayedLabel]]) -> None:
    Runner().run(at(600, "u2"), at(0), at(601, "u2"))
    assert [user for user, answer in delayed_labels if answer.pending.due_ms] == []

"""Panels in a partition: predictions told and explained, moved between workers, fresh where the shape is another."""

from __future__ import annotations

from typing import Any

import pytest

from support.folding import Runner, make_partition
from support.probe import MINUTE_MS, START_MS, event, probe_pack, record
from support.streams import Stream
from ubi_stream.events.model import Record
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.models.outcomes.panel import OutcomePanel
from ubi_stream.reasons import SnapshotReason
from ubi_stream.state.history import InsightHistory, PredictionWhenAsked

PACK = probe_pack(
    ("tell_above = 0.3", "tell_above = 0.5"), ("warm_up = 4\nmin_per_class = 1\ntell_above", "tell_above")
)


def visits(count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Visits of a view, and for every other user a cart and a purchase; users' carts are what tells them apart."""
    events: list[dict[str, Any]] = []
    for number in range(first, first + count):
        at_ms, user = START_MS + number * 15 * MINUTE_MS, f"u{number % 20}"
        buys = number % 20 < 8
        events.append(event(user, at_ms, "cart" if buys else "view", event_id=f"a{number}", session_id=f"s{number}"))
        events.append(event(user, at_ms + 60_000, "view", event_id=f"b{number}", session_id=f"s{number}"))
        if buys:
            fields = {"event_id": f"c{number}", "session_id": f"s{number}", "price": 5.0}
            events.append(event(user, at_ms + 120_000, "purchase", **fields))
    return events


def delivered(insights: list[Insight], kind: InsightKind) -> list[Insight]:
    return [insight for insight in insights if insight.kind is kind]


@pytest.fixture(scope="module")
def insights() -> list[Insight]:
    runner = Runner(PACK)
    return [insight for content in visits(400) for insight in runner.run(content).insights]


def test_a_likely_outcome_is_told_with_what_it_rests_on(insights: list[Insight]) -> None:
    predictions = delivered(insights, InsightKind.PREDICTION)
    assert predictions
    for insight in predictions:
        evidence = insight.evidence
        assert insight.label == "buys_in_visit"
        assert insight.score is not None
        assert insight.score >= evidence["tell_above"] == 0.5
        assert insight.score + evidence["runner_up_probability"] == pytest.approx(1.0)
        assert (evidence["runner_up"], evidence["model"]) == ("not_buys_in_visit", "line")
        assert evidence["n_seen"] >= 100
        assert evidence["warm_up"] is False
        assert insight.explanation.summary.startswith("buys in visit: ")
    strongest = {insight.explanation.contributions[0].feature for insight in predictions}
    assert "session_intents" in strongest


def test_contributions_of_the_line_add_up_to_the_difference_from_the_usual(insights: list[Insight]) -> None:
    for insight in delivered(insights, InsightKind.PREDICTION):
        evidence, parts = insight.evidence, insight.explanation.contributions
        total = sum(part.contribution for part in parts) + evidence["other_contributions"]
        assert evidence["contributions_add_up"]
        assert total == pytest.approx(evidence["log_odds"] - evidence["baseline_log_odds"], abs=1e-6)


def test_the_first_choice_is_told_once_for_each_outcome(insights: list[Insight]) -> None:
    choices = delivered(insights, InsightKind.MODEL)
    first = [insight for insight in choices if insight.evidence["before"] is None]
    assert sorted(insight.evidence["outcome"] for insight in first)[:1] == ["buys_in_visit"]
    assert len({insight.evidence["outcome"] for insight in first}) == len(first)
    assert {insight.entity for insight in choices} == {"population"}
    assert {insight.user_id for insight in choices} == {"user/0"}


def test_nothing_is_told_of_an_outcome_that_is_true_already(insights: list[Insight]) -> None:
    purchases = {f"c{number}" for number in range(400)}
    assert not [i for i in delivered(insights, InsightKind.PREDICTION) if i.trace_id in purchases]


def stream(seed: int = 3) -> list[Record]:
    contents = Stream(seed).contents(300)
    return [record(value, n, key=key, timestamp_ms=ms) for n, (key, value, ms) in enumerate(contents)]


def quality(panels: dict[str, OutcomePanel]) -> dict[str, Any]:
    return {
        f"{name}/{candidate.name}": (candidate.n_seen, candidate.quality.as_dict())
        for name, panel in panels.items()
        for candidate in panel.candidates
    }


def test_a_partition_that_moves_to_another_worker_goes_on_with_its_quality_exactly() -> None:
    pack, records = probe_pack(), stream()
    stays = make_partition(pack)
    stays.pipeline.run(records, forwarded=False)
    tables: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
    moves = make_partition(pack, states=tables[0])
    moves.pipeline.run(records[:170], forwarded=False)
    chunks, states = moves.take_checkpoint()
    tables[1].update(chunks)
    tables[0].update({key: value for key, value in states if isinstance(value, bytes)})
    moved = make_partition(pack, states=dict(tables[0]), chunks=dict(tables[1]))
    assert moved.snapshot_problem is None
    assert quality(moved.models.outcomes.panels) == quality(moves.models.outcomes.panels)
    moved.pipeline.run(records[170:], forwarded=False)
    after = quality(moved.models.outcomes.panels)
    assert after == quality(stays.models.outcomes.panels)
    assert any(figures["all_time"]["n"] for _, figures in after.values())


def test_answers_wait_for_the_end_of_their_block_and_move_with_the_partition() -> None:
    pack = probe_pack()
    runner = Runner(pack)
    runner.run(event("u1", START_MS, "purchase", event_id="p", order_id="o1", price=3.0))
    runner.run(event("u2", START_MS + 90 * MINUTE_MS, event_id="later"))  # the horizons of three outcomes are over
    before = runner.partition.models.outcomes
    assert before.panels["bad"].n_labels == 0
    missing = 64 - before.n_changes
    chunks, states = runner.partition.take_checkpoint()
    kept = {key: value for key, value in states if isinstance(value, bytes)}
    after = make_partition(pack, states=kept, chunks=dict(chunks))
    more = [record(event("u2", START_MS + 90 * MINUTE_MS, event_id=f"m{n}"), 100 + n) for n in range(missing)]
    after.pipeline.run(more[:-1], forwarded=False)
    assert after.models.outcomes.panels["bad"].n_labels == 0
    after.pipeline.run(more[-1:], forwarded=False)
    assert after.models.outcomes.panels["bad"].n_labels == 1


def test_another_candidate_makes_all_models_fresh_and_says_why() -> None:
    chunks: dict[bytes, bytes] = {}
    before = make_partition(probe_pack())
    before.pipeline.run(stream(), forwarded=False)
    chunks.update(before.take_checkpoint()[0])
    other = probe_pack(('kind = "blend"', 'kind = "logistic"'))
    after = make_partition(other, chunks=chunks)
    assert after.snapshot_problem is not None
    assert after.snapshot_problem.reason is SnapshotReason.FEATURE_HASH
    assert all(panel.n_labels == 0 for panel in after.models.outcomes.panels.values())


def test_another_river_makes_all_models_fresh_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    before = make_partition(probe_pack())
    before.pipeline.run(stream(), forwarded=False)
    chunks = dict(before.take_checkpoint()[0])
    monkeypatch.setattr("ubi_stream.models.common.snapshot.river.__version__", "0.99.0")
    after = make_partition(probe_pack(), chunks=chunks)
    assert after.snapshot_problem is not None
    assert after.snapshot_problem.reason is SnapshotReason.RIVER_VERSION


def test_a_label_that_contradicts_the_horizon_is_learned_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ubi_stream.models.outcomes.stage._BLOCK", 1)
    runner = Runner(probe_pack())
    order = {"order_id": "o1", "price": 3.0}
    runner.run(event("u1", START_MS, "purchase", event_id="p", **order))
    runner.run(event("u2", START_MS + 90 * MINUTE_MS, event_id="later"))  # time says no: the hour is over
    panel = runner.partition.models.outcomes.panels["bad"]
    assert (panel.n_labels, panel.n_late) == (1, 0)
    runner.run(event("u1", START_MS + 91 * MINUTE_MS, "$label", event_id="l", order_id="o1", bad=True))
    assert (panel.n_labels, panel.n_late) == (2, 1)


def test_of_a_visit_what_was_emitted_first_is_judged_when_the_visit_is_over() -> None:
    runner = Runner(PACK)
    emitted: list[Insight] = []
    for content in visits(400):
        emitted += delivered(runner.run(content).insights, InsightKind.PREDICTION)
    judged = runner.partition.models.outcomes.panels["buys_in_visit"].serving.emitted
    waiting = 3  # visits whose end has not been learned
    assert len(emitted) - waiting <= judged.n <= len({insight.trace_id for insight in emitted})
    assert judged.confidence.sum() / judged.n >= 0.5


def test_an_emitted_prediction_has_the_first_probability_of_its_visit() -> None:
    history = InsightHistory()
    history.keep_prediction("buys", PredictionWhenAsked(1, b"", visit=7, crossed=0.8, emitted=0.7), 1)
    history.keep_prediction("buys", PredictionWhenAsked(2, b"", visit=7), 1, replaces=1)
    assert history.predicted["buys"] == [PredictionWhenAsked(2, b"", visit=7, crossed=0.8, emitted=0.7)]
    assert history.said_in_visit("buys", 7) is history.predicted["buys"][0]
    assert history.said_in_visit("buys", 8) is None

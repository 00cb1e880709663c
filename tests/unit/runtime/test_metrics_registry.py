"""What is counted, and that no label's value comes from outside the closed sets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from math import isnan

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.sink_rows import insight_row
from ubi_stream.data.records import ProducerRecord
from ubi_stream.effects import Effects, Tally
from ubi_stream.events.model import DeadLetter, Record
from ubi_stream.insights.model import Explanation, Insight, InsightKind, InsightSource, Severity
from ubi_stream.kafka.restore import RestoreProgress
from ubi_stream.metrics.labels import (
    ANY,
    OTHER,
    Missing,
    QualityMetric,
    RecordOutcome,
    RefusalReason,
    Stage,
)
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.metrics.status import Lag, ModelReport
from ubi_stream.models.drift.metrics import MetricKind
from ubi_stream.models.drift.verdict import DriftVerdict
from ubi_stream.models.feedback.labels import LabelStatus
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.schema import RESERVED_TYPES
from ubi_stream.privacy.consent import WithheldReason
from ubi_stream.privacy.filter import OTHER as OTHER_NAME
from ubi_stream.privacy.rules import DECLARED, NOT_KEPT, SECRET, TOO_LONG, Action, DataKind
from ubi_stream.reasons import DeadLetterReason, FailStopReason, SnapshotReason
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.runtime.observer import SinkMetrics
from ubi_stream.settings import Settings
from ubi_stream.sinks.base import RejectedRow, WriteResult

PACK = load_pack("ecommerce")
NOW_MS = 1_700_000_000_000
USER = "ann@example.org"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(PACK)


def samples(metrics: Metrics) -> Iterator[tuple[str, dict[str, str], float]]:
    """All series as a scraper reads them."""
    text = metrics.render()[0].decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = [number for series, found, number in samples(metrics) if series == name and found == labels]
    assert len(found) == 1, f"{name}{labels}: {len(found)} series"
    return found[0]


def effects(tally: Tally, dead_letters: list[DeadLetter] | None = None) -> Effects:
    return Effects(tally, [], dead_letters or [], [], [], [])


def record(number: int, event_type: str, **properties: object) -> ProducerRecord:
    event = {
        "event_time": NOW_MS - 10_000_000 + number * 60_000,
        "event_type": event_type,
        "user_id": USER,
        "properties": properties,
    }
    return ProducerRecord(USER.encode(), json.dumps(event).encode())


def run_offline() -> list[Effects]:
    """What real events bring about, a broken one among them."""
    records = [record(number, "view", price=5) for number in range(40)]
    records += [record(40, "checkout", latency_ms=9000), record(41, "purchase", price=30), record(42, "no such type")]
    run = OfflineRun(PACK, Settings(partitions=1), now_ms=NOW_MS)
    return list(run.run(records))


def test_what_the_pipeline_brings_about_is_counted(metrics: Metrics) -> None:
    batches = run_offline()
    for batch in batches:
        metrics.observe(batch)
    kinds = Counter((insight.kind, insight.severity) for batch in batches for insight in batch.insights)
    assert kinds, "the events give insights"
    for (kind, severity), count in kinds.items():
        labels = {"pack": "ecommerce", "kind": kind.value, "severity": severity.value}
        assert value(metrics, "ubi_insights_total", **labels) == count
    accepted = {"pack": "ecommerce", "outcome": "accepted"}
    assert value(metrics, "ubi_events_total", event_type="view", **accepted) == 40
    assert value(metrics, "ubi_events_total", event_type="purchase", **accepted) == 1
    assert value(metrics, "ubi_events_total", pack="ecommerce", event_type=ANY, outcome="dead_letter") == 1
    assert value(metrics, "ubi_dead_letters_total", reason="unknown_event_type") == 1


def test_each_outcome_is_counted_once(metrics: Metrics) -> None:
    tally = Tally(
        accepted=Counter(view=7), dead_letters=Counter(too_large=1, too_deep=2), duplicates=4, replayed=5, unwanted=6,
        moved=8, late=2, unmatched_labels=3,
    )  # fmt: skip
    metrics.observe(effects(tally))
    expected = {"dead_letter": 3, "duplicate": 4, "replayed": 5, "unwanted": 6, "moved": 8}
    for outcome, count in expected.items():
        assert value(metrics, "ubi_events_total", pack="ecommerce", event_type=ANY, outcome=outcome) == count
    assert value(metrics, "ubi_late_events_total", pack="ecommerce") == 2
    assert value(metrics, "ubi_unmatched_labels_total", pack="ecommerce") == 3


def test_labels_of_people_count_by_what_became_of_them(metrics: Metrics) -> None:
    for status in (LabelStatus.LEARNED, LabelStatus.LEARNED, LabelStatus.UNKNOWN_INSIGHT):
        batch = Effects.nothing()
        batch.insights.append(answer(status))
        metrics.observe(batch)
    counts = {status: value(metrics, "ubi_labels_total", pack="ecommerce", status=status) for status in LabelStatus}
    assert {status: count for status, count in counts.items() if count} == {"learned": 2, "unknown_insight": 1}
    assert counts[LabelStatus.CHANGED] == 0


def test_records_count_for_users_alone_so_that_an_event_of_two_entities_counts_once(metrics: Metrics) -> None:
    tally = Tally(accepted=Counter(view=7))
    metrics.observe(effects(tally), entity="user")
    metrics.observe(effects(tally), entity="terminal")
    assert value(metrics, "ubi_events_total", pack="ecommerce", event_type="view", outcome="accepted") == 7


def test_event_types_that_the_pack_does_not_list_count_as_other(metrics: Metrics) -> None:
    metrics.observe(effects(Tally(accepted=Counter({f"type of {USER} {number}": 1 for number in range(50)}))))
    assert value(metrics, "ubi_events_total", pack="ecommerce", event_type=OTHER, outcome="accepted") == 50


def _with_personal_data() -> Tally:
    found = Counter({(USER, rule.value, action): 1 for rule in DataKind for action in Action})
    return Tally(accepted=Counter({USER: 3}), personal_data=found, withheld=Counter(dict.fromkeys(WithheldReason, 1)))


def test_label_values_come_from_closed_sets_and_none_is_a_user(metrics: Metrics) -> None:
    for batch in run_offline():
        metrics.observe(batch)
    broken = Record("ubi.events", 0, 0, NOW_MS, USER.encode(), b"x", ())
    letters = [DeadLetter(reason, "$", USER, broken) for reason in DeadLetterReason]
    metrics.observe(effects(_with_personal_data(), letters))
    for stop in FailStopReason:
        metrics.fail_stop(stop)
    for problem in SnapshotReason:
        metrics.snapshot_problem(problem)
    for seconds in (metrics.pipeline_seconds, metrics.deliver_seconds):
        seconds.observe(0.1)
    SinkMetrics(metrics).batch_written(WriteResult(rejected=(RejectedRow(insight_row(1, user_id=USER), "22P05"),)), 0.1)
    SinkMetrics(metrics).records_skipped(f"topic of {USER}", 1)
    metrics.set_lag([Lag("ubi.events", 3, 9)])
    metrics.set_segment_users({"power_user": 4, USER: 1})
    metrics.set_models([outcome_report(place, n_seen=5, log_loss=0.5) for place in (0, None)])
    closed: dict[str, set[str]] = {
        "pack": {"ecommerce"},
        "event_type": {*PACK.events.types, *RESERVED_TYPES, OTHER, ANY},
        "outcome": set(RecordOutcome) | {"buys_in_visit"},
        "kind": set(InsightKind),
        "severity": set(Severity),
        "reason": set(DeadLetterReason) | set(SnapshotReason) | set(FailStopReason) | set(WithheldReason),
        "rule": set(DataKind) | {SECRET, DECLARED, NOT_KEPT, TOO_LONG, OTHER_NAME},
        "action": set(Action),
        "stage": set(Stage),
        "cause": set(RefusalReason) | set(Missing),
        "table": {"insights", "dead_letters", "windows", "visits", "recommendations"},
        "visit_class": {one.name for one in PACK.visit_classes},
        "segment": {one.name for one in PACK.segments},
        "entity": {"user"},
        "model": {"line"},
        "metric": set(QualityMetric),
        "topic": {"ubi.events"},
        "partition": {"3"},
        "status": set(LabelStatus),
        "subject": set(MetricKind),
        "verdict": set(DriftVerdict),
    }
    free = {"le", "version", "pack_version"}  # bounds of buckets, and what the build is
    for name, labels, _ in samples(metrics):
        for label, found in labels.items():
            assert label in free or found in closed[label], f"{name} has {label}={found!r}"
    assert USER not in metrics.render()[0].decode()


def test_series_start_at_zero_so_that_the_first_one_raises_the_rate(metrics: Metrics) -> None:
    for kind in InsightKind:
        for severity in Severity:
            assert value(metrics, "ubi_insights_total", pack="ecommerce", kind=kind, severity=severity) == 0
    for reason in DeadLetterReason:
        assert value(metrics, "ubi_dead_letters_total", reason=reason) == 0
    assert value(metrics, "ubi_anomalies_total", pack="ecommerce") == 0


def test_lag_of_a_partition_that_went_away_is_gone(metrics: Metrics) -> None:
    metrics.set_lag([Lag("ubi.events", 0, 5), Lag("ubi.events", 1, 6)])
    metrics.set_lag([Lag("ubi.events", 1, 7)])
    lags = {labels["partition"]: count for name, labels, count in samples(metrics) if name == "ubi_lag_events"}
    assert lags == {"1": 7}


def outcome_report(
    partition: int | None, *, n_seen: int, serves: int = 1, log_loss: float | None = None
) -> ModelReport:
    window: dict[str, float | int | None] = {"n": 1, "log_loss": log_loss}
    quality = {"all_time": {}, "window": window}
    return ModelReport("user", partition, "line", n_seen, True, "buys_in_visit", serves, quality)


def test_learning_counts_from_where_a_restored_model_starts(metrics: Metrics) -> None:
    # partition 0: restored with 1000, then learns 10; goes away; comes back having learned 500 elsewhere, learns 1
    for n_seen in (1000, 1010):
        metrics.set_models([outcome_report(0, n_seen=n_seen)])
    metrics.set_models([])
    for n_seen in (1510, 1511):
        metrics.set_models([outcome_report(0, n_seen=n_seen)])
    assert value(metrics, "ubi_model_learned_total", entity="user", outcome="buys_in_visit", model="line") == 11


def test_quality_is_that_of_all_partitions_together(metrics: Metrics) -> None:
    parts = [outcome_report(0, n_seen=1, log_loss=0.2), outcome_report(1, n_seen=1, serves=0, log_loss=0.6)]
    metrics.set_models([*parts, outcome_report(None, n_seen=2, serves=1, log_loss=0.5)])
    of_model = {"entity": "user", "outcome": "buys_in_visit", "model": "line"}
    assert value(metrics, "ubi_model_quality", **of_model, metric="log_loss") == 0.5
    assert value(metrics, "ubi_model_serves", **of_model) == 1
    metrics.set_models([])
    assert not [name for name, _, _ in samples(metrics) if name in ("ubi_model_quality", "ubi_model_serves")]


def test_what_the_sink_writes_is_counted(metrics: Metrics) -> None:
    observer = SinkMetrics(metrics)
    observer.batch_written(WriteResult(5, 2, 1, 4, 3, (RejectedRow(insight_row(1), "22P05"),)), 0.02)
    observer.batch_written(WriteResult(1), 0.3)
    observer.records_skipped("ubi.insights", 3)
    observer.records_expired("ubi.insights", 7)
    assert value(metrics, "ubi_sink_rows_total", table="insights") == 6
    assert value(metrics, "ubi_sink_rows_total", table="dead_letters") == 2
    assert value(metrics, "ubi_sink_rows_total", table="windows") == 1
    assert value(metrics, "ubi_sink_rows_total", table="recommendations") == 3
    assert value(metrics, "ubi_sink_rows_total", table="visits") == 4
    assert value(metrics, "ubi_sink_rejected_total", cause="refused") == 1
    assert value(metrics, "ubi_sink_rejected_total", cause="unreadable") == 3
    assert value(metrics, "ubi_sink_expired_total") == 7
    assert value(metrics, "ubi_sink_seconds_count") == 2


def test_a_restore_tells_how_far_it_is_and_how_long_it_takes_yet(metrics: Metrics) -> None:
    def delivered() -> list[float]:
        names = ("restoring", "recovery_ratio", "recovery_records", "recovery_seconds", "recovery_eta_seconds")
        return [value(metrics, f"ubi_{name}") for name in names]

    progress = RestoreProgress(running=True, total=400)
    metrics.set_recovery(progress)
    assert isnan(delivered()[-1]), "nothing is done: who knows"
    progress.done, progress.records, progress.seconds = 100, 90, 3.0
    metrics.set_recovery(progress)
    assert delivered() == [1, 0.25, 90, 3, 9]
    assert progress.describe() == "state is being restored: 25% of 400 records, about 9 s left"
    progress.running, progress.done, progress.records, progress.seconds = False, 400, 350, 11.0
    metrics.set_recovery(progress)
    assert delivered() == [0, 1, 350, 11, 0]


def test_gauges_are_refreshed_right_before_they_are_read(metrics: Metrics) -> None:
    users = iter([3, 4])
    metrics.add_refresher(lambda: metrics.users.set(next(users)))
    assert [value(metrics, "ubi_users"), value(metrics, "ubi_users")] == [3, 4]


def test_two_workers_in_one_process_count_apart() -> None:
    one, other = Metrics(PACK), Metrics(PACK)
    one.barriers.inc()
    assert (value(one, "ubi_barriers_total"), value(other, "ubi_barriers_total")) == (1, 0)


def test_the_names_that_dashboards_and_alerts_use(metrics: Metrics) -> None:
    metrics.set_lag([Lag("ubi.events", 0, 0)])
    metrics.set_models([outcome_report(place, n_seen=1, log_loss=0.1) for place in (0, None)])
    found = {name for name, _, _ in samples(metrics)}
    assert found >= {
        "ubi_events_total", "ubi_dead_letters_total", "ubi_insights_total", "ubi_anomalies_total",
        "ubi_e2e_latency_seconds_bucket", "ubi_stage_seconds_bucket", "ubi_batch_events_bucket", "ubi_lag_events",
        "ubi_state_bytes", "ubi_users", "ubi_recovery_seconds", "ubi_recovery_records", "ubi_restoring",
        "ubi_barrier_seconds_bucket", "ubi_barriers_total", "ubi_model_learned_total", "ubi_model_quality",
        "ubi_model_serves",
        "ubi_snapshot_problems_total", "ubi_sink_rows_total", "ubi_sink_seconds_bucket", "ubi_sink_rejected_total",
        "ubi_sink_lag_events", "ubi_fail_stops_total", "ubi_build_info", "ubi_recovery_ratio",
        "ubi_recovery_eta_seconds", "ubi_recovery_quarantined_total", "ubi_offsets_missing_total",
        "ubi_sink_expired_total",
    }  # fmt: skip
    assert not [name for name in found if name.endswith("_created")]


def answer(status: LabelStatus) -> Insight:
    return Insight(
        id="i", kind=InsightKind.LABEL, entity="user", user_id=USER, pack="ecommerce", at_ms=0, label="confirmed",
        score=None, confidence=None, severity=Severity.INFO, explanation=Explanation("said"),
        evidence={"status": status}, model_version="1", source=InsightSource("ubi.events", 0, 0),
    )  # fmt: skip

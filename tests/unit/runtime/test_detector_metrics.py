"""Metrics of alert rates, waves and drifts."""

from __future__ import annotations

from typing import Any

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from support.folding import Runner
from ubi_stream.effects import Effects
from ubi_stream.insights.model import Explanation, Insight, InsightKind, InsightSource, Severity
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.metrics.reports import detectors_of
from ubi_stream.metrics.status import DetectorReport
from ubi_stream.packs.loader import load_pack

REPORT = DetectorReport("user", 0, judged=100, alerts=2, threshold=0.4, in_wave=False, drift_blocks=3)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    text = metrics.render()[0].decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def test_what_partitions_saw_since_the_last_report_is_counted() -> None:
    metrics = Metrics(load_pack("payments"))
    metrics.set_models([], [REPORT])
    assert value(metrics, "ubi_anomaly_alerts_total", entity="user") == 0.0
    moved = DetectorReport("user", 1, 5_000, 40, None, in_wave=False, drift_blocks=9)
    metrics.set_models([], [msgspec.structs.replace(REPORT, judged=900, alerts=7, in_wave=True, drift_blocks=4), moved])
    assert value(metrics, "ubi_anomaly_judged_total", entity="user") == 800.0
    assert value(metrics, "ubi_anomaly_alerts_total", entity="user") == 5.0
    assert value(metrics, "ubi_drift_blocks_total", entity="user") == 1.0
    assert value(metrics, "ubi_anomaly_waves", entity="user") == 1.0
    assert value(metrics, "ubi_anomaly_warming_up", entity="user") == 1.0
    assert value(metrics, "ubi_anomaly_threshold", entity="user") == 0.4
    assert value(metrics, "ubi_anomaly_asked_ratio") == 0.005
    assert value(metrics, "ubi_anomaly_waves", entity="terminal") == 0.0


def test_a_wave_of_partitions_that_went_to_other_workers_is_not_shown_any_more() -> None:
    metrics = Metrics(load_pack("payments"))
    metrics.set_models([], [msgspec.structs.replace(REPORT, in_wave=True, threshold=None)])
    assert value(metrics, "ubi_anomaly_waves", entity="user") == 1.0
    metrics.set_models([], [])
    assert value(metrics, "ubi_anomaly_waves", entity="user") == 0.0
    assert value(metrics, "ubi_anomaly_warming_up", entity="user") == 0.0


def test_drifts_are_counted_by_verdict_and_subject() -> None:
    metrics = Metrics(load_pack("ecommerce"))
    delivered: dict[str, Any] = {"pack": "ecommerce", "subject": "missing", "verdict": "tracking_broke"}
    assert value(metrics, "ubi_drifts_total", **delivered) == 0.0
    drift = Insight(
        "id",
        InsightKind.DRIFT,
        "population",
        "user/0",
        "ecommerce",
        0,
        "tracking_broke",
        None,
        None,
        Severity.HIGH,
        Explanation("Gone"),
        {"subject": "missing", "name": "category"},
        "v",
        InsightSource("t", 0, 0),
    )
    effects = Effects.nothing()
    effects.insights.append(drift)
    metrics.observe(effects)
    assert value(metrics, "ubi_drifts_total", **delivered) == 1.0


def test_a_partition_reports_its_detectors() -> None:
    models = Runner().partition.models
    (report,) = detectors_of([("user", 4, models)])
    assert report == DetectorReport("user", 4, judged=0, alerts=0, threshold=None, in_wave=False, drift_blocks=0)

"""Metrics of what watches for the unusual: alert rates, waves, drifts. Labels come from closed sets alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge

from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.metrics.status import DetectorReport
from ubi_stream.models.drift.metrics import MetricKind
from ubi_stream.models.drift.verdict import DriftVerdict
from ubi_stream.packs.schema import Pack


class DetectorMetrics:
    """Alert rate asked for and observed, waves in force, drifts told; by kind of entity.

    Parameters
    ----------
    registry
        Where the metrics are shown.
    pack
        Names the kinds of entities and the rate asked for.
    """

    def __init__(self, registry: CollectorRegistry, pack: Pack) -> None:
        self._pack = pack.name
        self._seen: dict[tuple[str, int], DetectorReport] = {}
        entity, delivered = ("entity",), ("pack", "subject", "verdict")
        self._judged = Counter("ubi_anomaly_judged", "Rows that could have alerted", entity, registry=registry)
        self._alerts = Counter("ubi_anomaly_alerts", "Rows above the threshold, told or not", entity, registry=registry)
        self._asked = Gauge("ubi_anomaly_asked_ratio", "Share of the rows that should alert", registry=registry)
        self._threshold = Gauge("ubi_anomaly_threshold", "Mean threshold of the partitions", entity, registry=registry)
        self._waves = Gauge("ubi_anomaly_waves", "Partitions in which alerts are held back", entity, registry=registry)
        self._warming = Gauge("ubi_anomaly_warming_up", "Partitions without a threshold yet", entity, registry=registry)
        self._blocks = Counter("ubi_drift_blocks", "Blocks looked at for drift", entity, registry=registry)
        self._drifts = Counter("ubi_drifts", "Drifts told", delivered, registry=registry)
        if pack.models.anomaly is not None:
            self._asked.set(pack.models.anomaly.alert_rate)
        self._entities = tuple(part.name for part in pack.entities)
        for name in self._entities:
            for metric in (self._judged, self._alerts, self._blocks, self._waves, self._warming):
                metric.labels(name)
        for kind, verdict in product(MetricKind, DriftVerdict):
            self._drifts.labels(self._pack, kind, verdict)

    def observe(self, insight: Insight) -> None:
        """Count an insight, if it is about a drift."""
        if insight.kind is InsightKind.DRIFT:
            self._drifts.labels(self._pack, insight.evidence["subject"], insight.label).inc()

    def set(self, reports: Iterable[DetectorReport]) -> None:
        """Replace the detectors' state, and count what they saw since the last report.

        The first report of a partition only says where it starts, as with `Metrics.set_models`.
        """
        seen = {(report.entity, report.partition): report for report in reports}
        thresholds: defaultdict[str, list[float]] = defaultdict(list)
        waves: defaultdict[str, int] = defaultdict(int)
        warming: defaultdict[str, int] = defaultdict(int)
        for key, report in seen.items():
            before = self._seen.get(key, report)
            self._judged.labels(report.entity).inc(max(0, report.judged - before.judged))
            self._alerts.labels(report.entity).inc(max(0, report.alerts - before.alerts))
            self._blocks.labels(report.entity).inc(max(0, report.drift_blocks - before.drift_blocks))
            waves[report.entity] += report.in_wave
            warming[report.entity] += report.threshold is None
            if report.threshold is not None:
                thresholds[report.entity].append(report.threshold)
        self._seen = seen
        self._threshold.clear()
        for entity, values in thresholds.items():
            self._threshold.labels(entity).set(sum(values) / len(values))
        for entity in self._entities:  # also one whose partitions have all gone to other workers
            self._waves.labels(entity).set(waves[entity])
            self._warming.labels(entity).set(warming[entity])

"""Metrics for Prometheus. Every label value comes from a closed set: a pack's names, an enumeration, a topic of ours.

Never a label: a user's id, an event's own text. An event type that the pack doesn't list counts as `other`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from ubi_stream import __version__
from ubi_stream.effects import Effects, Tally
from ubi_stream.insights.model import Insight, InsightKind, Severity
from ubi_stream.insights.visits import VisitOutput, VisitRecord
from ubi_stream.insights.windows import NO_CLASS
from ubi_stream.kafka.restore import RestoreProgress
from ubi_stream.metrics.detectors import DetectorMetrics
from ubi_stream.metrics.labels import ANY, OTHER, Missing, QualityMetric, RecordOutcome, RefusalReason, Stage
from ubi_stream.metrics.status import DetectorReport, Lag, ModelReport
from ubi_stream.models.feedback.labels import LabelStatus
from ubi_stream.packs.schema import RESERVED_TYPES, Pack
from ubi_stream.privacy.consent import WithheldReason
from ubi_stream.reasons import DeadLetterReason, FailStopReason, SnapshotReason

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format, which every scraper reads."""

_LATENCY_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_STAGE_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_BATCH_EVENTS: Final = (1, 4, 16, 64, 256, 1_024, 4_096, 10_000)


class Metrics:
    """The metrics of one worker, in a registry of its own.

    Parameters
    ----------
    pack
        Names the event types and kinds of entities that can be labels.

    Attributes
    ----------
    e2e_latency
        Observe, for each insight, the seconds from its event's broker timestamp to the insight's acknowledgement.
    batch_events
        Observe the records of each pass through the pipeline.
    state_bytes, users, sink_lag_events
        Set to what is there now.
    barriers, barrier_seconds, recovery_quarantined, offsets_missing
        Count barriers that are through, and observe how long each took; count what a restore or a log lacks.
    """

    def __init__(self, pack: Pack) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped library; ends a series a counter
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._detectors = DetectorMetrics(self.registry, pack)
        self._pack = pack.name
        self._visit_classes = pack.visit_classes
        self._segments = tuple(segment.name for segment in pack.segments)
        self._types = frozenset(pack.events.types) | RESERVED_TYPES
        self._refreshers: list[Callable[[], None]] = []
        self._seen: dict[tuple[str, int, str, str], int] = {}
        self._make_counters()
        self._make_gauges()
        self._make_histograms()
        self._start_at_zero()
        self._build.labels(__version__, pack.name, str(pack.version)).set(1)

    def _make_counters(self) -> None:
        labels = ("pack", "event_type", "outcome")
        self._events = self._counter("ubi_events", "Records of the events topic by what became of them", labels)
        self._late = self._counter("ubi_late_events", "Accepted events that came after the watermark", ("pack",))
        self._unmatched = self._counter("ubi_unmatched_labels", "Labels of events that are not kept", ("pack",))
        self._labels = self._counter("ubi_labels", "Labels of people by what became of them", ("pack", "status"))
        self._erasures = self._counter("ubi_erasures", "Users erased", ("pack",))
        self._withheld = self._counter(
            "ubi_withheld_events", "Events counted and not kept, by reason", ("pack", "reason")
        )
        self._personal = self._counter(
            "ubi_personal_data", "Records with personal data, by rule and what was done", ("pack", "rule", "action")
        )
        self._unknown_fields = self._counter("ubi_unknown_fields", "Fields that no event has, ignored", ("pack",))
        self._dead_letters = self._counter("ubi_dead_letters", "Dead letters by reason", ("reason",))
        self._insights = self._counter("ubi_insights", "Insights", ("pack", "kind", "severity"))
        self._anomalies = self._counter("ubi_anomalies", "Insights of kind anomaly", ("pack",))
        self._visits = self._counter("ubi_visits", "Visits that ended, by class", ("pack", "visit_class"))
        self._learned = self._counter(
            "ubi_model_learned", "Rows or labels learned from", ("entity", "outcome", "model")
        )
        self._snapshots = self._counter("ubi_snapshot_problems", "Model snapshots not usable", ("reason",))
        self.sink_rows = self._counter("ubi_sink_rows", "Rows new in Postgres", ("table",))
        self.retention_rows = self._counter("ubi_retention_rows", "Rows deleted by age", ("table",))
        self.sink_rejected = self._counter("ubi_sink_rejected", "Records that can't be stored", ("cause",))
        self._fail_stops = self._counter("ubi_fail_stops", "The worker ended itself", ("reason",))
        self.sink_expired = self._counter("ubi_sink_expired", "Records of our topics that expired unread")
        self.barriers = self._counter("ubi_barriers", "Barriers that are through")
        self.recovery_quarantined = self._counter("ubi_recovery_quarantined", "Unreadable records of changelogs")
        self.offsets_missing = self._counter(
            "ubi_offsets_missing", "Offsets of source topics that the log has not", ("cause",)
        )

    def _make_gauges(self) -> None:
        self._lag = self._gauge("ubi_lag_events", "Records not processed yet", ("topic", "partition"))
        self._quality = self._gauge(
            "ubi_model_quality",
            "Quality over the last labels of all partitions of the worker",
            ("entity", "outcome", "model", "metric"),
        )
        self._serves = self._gauge(
            "ubi_model_serves", "Partitions in which the model's predictions are told", ("entity", "outcome", "model")
        )
        self.state_bytes = self._gauge("ubi_state_bytes", "Bytes of all encoded states")
        self.users = self._gauge("ubi_users", "Users whose state is kept")
        self._segment_users = self._gauge(
            "ubi_segment_users", "Users active in the newest hour, by present segment", ("pack", "segment")
        )
        self._recovery_seconds = self._gauge("ubi_recovery_seconds", "Seconds of the last restore, so far")
        self._recovery_records = self._gauge("ubi_recovery_records", "Records that the last restore read, so far")
        self._recovery_ratio = self._gauge("ubi_recovery_ratio", "Share of the last restore that is done, 0 to 1")
        self._recovery_eta = self._gauge("ubi_recovery_eta_seconds", "Seconds that a restore takes yet; NaN: unknown")
        self._restoring = self._gauge("ubi_restoring", "1 while state is restored")
        self.sink_lag_events = self._gauge("ubi_sink_lag_events", "Records of our topics not in Postgres yet")
        self._build = self._gauge("ubi_build_info", "What runs; always 1", ("version", "pack", "pack_version"))

    def _make_histograms(self) -> None:
        self.e2e_latency = self._histogram(
            "ubi_e2e_latency_seconds", "From an event's broker timestamp to its insight acknowledged", _LATENCY_S
        )
        self._stages = self._histogram("ubi_stage_seconds", "Time by stage", _STAGE_S, ("stage",))
        self.pipeline_seconds = self._stages.labels(Stage.PIPELINE)
        self.deliver_seconds = self._stages.labels(Stage.DELIVER)
        self.batch_events = self._histogram("ubi_batch_events", "Records of one pass", _BATCH_EVENTS)
        self.barrier_seconds = self._histogram("ubi_barrier_seconds", "Time of a barrier", _STAGE_S)
        self.sink_seconds = self._histogram("ubi_sink_seconds", "Time of a write, waiting included", _STAGE_S)

    def _start_at_zero(self) -> None:  # noqa: C901 - one loop for each metric with labels
        """Make every series that there can be: an alert on a rate needs the zero before the first one."""
        for event_type in sorted(self._types | {OTHER}):
            self._events.labels(self._pack, event_type, RecordOutcome.ACCEPTED)
        for outcome in set(RecordOutcome) - {RecordOutcome.ACCEPTED}:
            self._events.labels(self._pack, ANY, outcome)
        for kind, severity in product(InsightKind, Severity):
            self._insights.labels(self._pack, kind, severity)
        for status in LabelStatus:
            self._labels.labels(self._pack, status)
        for visit_class in [one.name for one in self._visit_classes] or [NO_CLASS]:
            self._visits.labels(self._pack, visit_class)
        for reason in DeadLetterReason:
            self._dead_letters.labels(reason)
        for problem in SnapshotReason:
            self._snapshots.labels(problem)
        for stop in FailStopReason:
            self._fail_stops.labels(stop)
        for withheld in WithheldReason:
            self._withheld.labels(self._pack, withheld)
        for table in ("insights", "dead_letters", "windows", "visits", "recommendations"):
            self.sink_rows.labels(table)
        for cause in RefusalReason:
            self.sink_rejected.labels(cause)
        for missing in Missing:
            self.offsets_missing.labels(missing)
        for counter in (self._late, self._unmatched, self._unknown_fields, self._anomalies, self._erasures):
            counter.labels(self._pack)

    def observe(self, effects: Effects, *, entity: str = "user") -> None:
        """Count what a batch brought about.

        Parameters
        ----------
        entity
            Kind of entity of the partition. Records are counted for users alone: each event goes through a user's
            partition, and through those of other entities once more.
        """
        if entity == "user":
            self._observe_tally(effects.tally)
        for letter in effects.dead_letters:
            self._dead_letters.labels(letter.reason).inc()
        for insight in effects.insights:
            self._observe_insight(insight)
        for visit in effects.visits:
            self._observe_visit(visit)

    def _observe_tally(self, tally: Tally) -> None:
        for event_type, count in tally.accepted.items():
            known = event_type if event_type in self._types else OTHER
            self._events.labels(self._pack, known, RecordOutcome.ACCEPTED).inc(count)
        others = {
            RecordOutcome.DEAD_LETTER: tally.dead_letters.total(),
            RecordOutcome.DUPLICATE: tally.duplicates,
            RecordOutcome.REPLAYED: tally.replayed,
            RecordOutcome.UNWANTED: tally.unwanted,
            RecordOutcome.ERASED: tally.erased,
            RecordOutcome.WITHHELD: tally.withheld.total(),
            RecordOutcome.MOVED: tally.moved,
        }
        for outcome, count in others.items():
            if count:
                self._events.labels(self._pack, ANY, outcome).inc(count)
        for reason, count in tally.withheld.items():
            self._withheld.labels(self._pack, reason).inc(count)
        for (_, rule, action), count in tally.personal_data.items():
            self._personal.labels(self._pack, rule, action).inc(count)
        self._late.labels(self._pack).inc(tally.late)
        self._unmatched.labels(self._pack).inc(tally.unmatched_labels)
        self._unknown_fields.labels(self._pack).inc(tally.unknown_fields)

    def _observe_insight(self, insight: Insight) -> None:
        self._insights.labels(self._pack, insight.kind, insight.severity).inc()
        self._detectors.observe(insight)
        if insight.kind is InsightKind.ANOMALY:
            self._anomalies.labels(self._pack).inc()
        if insight.kind is InsightKind.LABEL:
            self._labels.labels(self._pack, insight.evidence["status"]).inc()
        if insight.kind is InsightKind.ERASURE:
            self._erasures.labels(self._pack).inc()

    def _observe_visit(self, visit: VisitOutput) -> None:
        if isinstance(visit, VisitRecord) and not visit.revised:
            self._visits.labels(self._pack, visit.behavior_segment or NO_CLASS).inc()

    def snapshot_problem(self, reason: SnapshotReason) -> None:
        """A model snapshot could not be used or written."""
        self._snapshots.labels(reason).inc()

    def fail_stop(self, reason: FailStopReason) -> None:
        """The worker is about to end itself."""
        self._fail_stops.labels(reason).inc()

    def set_segment_users(self, users: Mapping[str, int]) -> None:
        """Say how many users were active in the newest hour, by segment; a segment that is left out has none."""
        for segment in self._segments:
            self._segment_users.labels(self._pack, segment).set(users.get(segment, 0))

    def set_lag(self, lags: Iterable[Lag]) -> None:
        """Replace all lags: a partition that went to another worker is not reported from here any more."""
        self._lag.clear()
        for lag in lags:
            self._lag.labels(lag.topic, str(lag.partition)).set(lag.events)

    def set_sink_lag(self, behind: int | None) -> None:
        """Say how much Postgres lacks; None, while it is not known, is NaN: an alert must not take it for nothing."""
        self.sink_lag_events.set(float("nan") if behind is None else behind)

    def set_recovery(self, progress: RestoreProgress) -> None:
        """Say how far the last restore has come."""
        self._restoring.set(progress.running)
        self._recovery_seconds.set(progress.seconds)
        self._recovery_records.set(progress.records)
        self._recovery_ratio.set(progress.share)
        self._recovery_eta.set(float("nan") if progress.eta_s is None else progress.eta_s)

    def set_models(self, reports: Iterable[ModelReport], detectors: Iterable[DetectorReport] = ()) -> None:
        """Replace the models' quality and the detectors' state, and count what they learned since the last report.

        The first report of a partition's model only says where it starts: give one when the partition is restored, and
        one before it is given up (`TaskManager.on_change`).
        """
        self._detectors.set(detectors)
        seen: dict[tuple[str, int, str, str], int] = {}
        self._quality.clear()
        self._serves.clear()
        for report in reports:
            labels = (report.entity, report.outcome, report.model)
            if report.partition is not None:
                key = (report.entity, report.partition, report.outcome, report.model)
                seen[key] = report.n_seen
                self._learned.labels(*labels).inc(max(0, report.n_seen - self._seen.get(key, report.n_seen)))
                continue
            self._serves.labels(*labels).set(report.serves)
            window = report.quality.get("window", {})
            for metric in QualityMetric:
                if (value := window.get(metric)) is not None:
                    self._quality.labels(*labels, metric).set(value)
        self._seen = seen

    def add_refresher(self, refresh: Callable[[], None]) -> None:
        """Have a function called before each `render`, to set the gauges that it knows."""
        self._refreshers.append(refresh)

    def render(self) -> tuple[bytes, str]:
        """All metrics as text for Prometheus, and its content type."""
        for refresh in self._refreshers:
            refresh()
        return generate_latest(self.registry), CONTENT_TYPE

    def _counter(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _gauge(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(name, meaning, labels, registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
    ) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)

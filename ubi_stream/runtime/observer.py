"""Tells the metrics and the log what lanes and the sink do."""

from __future__ import annotations

import structlog

from ubi_stream.effects import Effects
from ubi_stream.errors import SnapshotError
from ubi_stream.metrics.labels import Missing, RefusalReason
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.runtime.label_replies import LabelReplies
from ubi_stream.sinks.base import WriteResult


class MetricsObserver:
    """A `TaskObserver` on Prometheus metrics; answers to labels go to the desk."""

    def __init__(self, metrics: Metrics, replies: LabelReplies) -> None:
        self._metrics = metrics
        self._replies = replies
        self._log = structlog.get_logger("ubi_stream.lane")

    def processed(self, entity: str, effects: Effects, events: int, seconds: float) -> None:
        self._replies.note(effects.insights)
        self._metrics.observe(effects, entity=entity)
        self._metrics.batch_events.observe(events)
        self._metrics.pipeline_seconds.observe(seconds)

    def handed_over(self, seconds: float) -> None:
        self._metrics.deliver_seconds.observe(seconds)

    def delivered(self, latency_s: float) -> None:
        self._metrics.e2e_latency.observe(latency_s)

    def barrier(self, seconds: float) -> None:
        self._metrics.barriers.inc()
        self._metrics.barrier_seconds.observe(seconds)

    def offsets_missing(self, expired: int, empty: int) -> None:
        self._metrics.offsets_missing.labels(Missing.EXPIRED).inc(expired)
        self._metrics.offsets_missing.labels(Missing.EMPTY).inc(empty)

    def snapshot_problem(self, problem: SnapshotError) -> None:
        self._metrics.snapshot_problem(problem.reason)
        self._log.warning("models_not_restored_or_kept", reason=problem.reason.value, message=str(problem))


class SinkMetrics:
    """Counts for `SinkConsumer` (a `SinkObserver`)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def batch_written(self, result: WriteResult, seconds: float) -> None:
        """One transaction is in; `seconds` includes waiting for the database."""
        for table in ("insights", "dead_letters", "windows", "visits", "recommendations"):
            self._metrics.sink_rows.labels(table).inc(getattr(result, table))
        self._metrics.sink_rejected.labels(RefusalReason.REFUSED).inc(len(result.rejected))
        self._metrics.sink_seconds.observe(seconds)

    def records_skipped(self, topic: str, count: int) -> None:
        """Records that could not be read; the log says of which topic."""
        self._metrics.sink_rejected.labels(RefusalReason.UNREADABLE).inc(count)

    def records_expired(self, topic: str, count: int) -> None:
        """Records that their topic dropped before they were stored; the log says which topic."""
        self._metrics.sink_expired.inc(count)

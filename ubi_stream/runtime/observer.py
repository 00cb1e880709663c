"""Tells the metrics and the log what lanes and restores do."""

from __future__ import annotations

import structlog

from ubi_stream.effects import Effects
from ubi_stream.errors import SnapshotError
from ubi_stream.runtime.metrics import Metrics


class MetricsObserver:
    """A `LaneObserver` on Prometheus metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._log = structlog.get_logger("ubi_stream.lane")

    def processed(self, entity: str, effects: Effects, events: int, seconds: float) -> None:
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

    def snapshot_problem(self, problem: SnapshotError) -> None:
        self._metrics.snapshot_problem(problem.reason)
        self._log.warning("models_not_restored_or_kept", reason=problem.reason.value, message=str(problem))

"""Metrics of the collector. Labels are names of dialects and outcomes, never anything of an event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

OUTCOMES: Final = ("accepted", "duplicate", "rejected", "ignored")


class CollectorMetrics:
    """Counts for a collector (a `CollectorObserver`).

    Attributes
    ----------
    waiting
        Set to how many events wait for Kafka.
    """

    def __init__(self, registry: CollectorRegistry, dialects: Iterable[str]) -> None:
        self._events = Counter(
            "ubi_collector_events",
            "Calls of senders by what became of them",
            ("dialect", "outcome"),
            registry=registry,
        )
        self.waiting = Gauge("ubi_collector_waiting_events", "Events that wait for Kafka", registry=registry)
        for dialect, outcome in product(dialects, OUTCOMES):
            self._events.labels(dialect, outcome)

    def collected(self, dialect: str, counts: Mapping[str, int]) -> None:
        """A request is answered: so many calls of each kind of outcome."""
        for outcome, count in counts.items():
            if count:
                self._events.labels(dialect, outcome).inc(count)

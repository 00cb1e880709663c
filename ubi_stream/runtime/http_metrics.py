"""Metrics of the views: requests, and the time that they take."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from ubi_stream.metrics.labels import OTHER

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class HttpMetrics:
    """Counts requests by route, method and status, each of a closed list.

    Attributes
    ----------
    audit_lost
        Count lines of the audit that were given up while the database was away.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("route", "method", "status")
        self._requests = Counter("ubi_http_requests", "Requests to the views", labels, registry=registry)
        self._seconds = Histogram(
            "ubi_http_seconds", "Time of a request to the views", labels, buckets=_SECONDS, registry=registry
        )
        self.audit_lost = Counter("ubi_audit_lost", "Lines of the audit that could not be written", registry=registry)

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request; `route` is the pattern of its path."""
        known = (route, method if method in _METHODS else OTHER, str(status))
        self._requests.labels(*known).inc()
        self._seconds.labels(*known).observe(seconds)

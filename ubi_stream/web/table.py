"""The route table of a worker: every module of the views says which rows are its own."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import asyncpg

from ubi_stream.clock import Clock
from ubi_stream.collector.repair import Letters
from ubi_stream.collector.service import Collector
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.settings import Settings
from ubi_stream.web.forward import Forwarder
from ubi_stream.web.ports import PackPort, ReadinessPort, WorkerPort
from ubi_stream.web.reader import Reader
from ubi_stream.web.routes import Route
from ubi_stream.web.security.guard import RequestGuard
from ubi_stream.web.views.access import access_routes
from ubi_stream.web.views.collector import CollectorViews
from ubi_stream.web.views.dead_letters import DeadLetterViews
from ubi_stream.web.views.documentation import documentation_routes
from ubi_stream.web.views.features import Features
from ubi_stream.web.views.health import Health
from ubi_stream.web.views.identities import Identities
from ubi_stream.web.views.insight_counts import InsightCounts
from ubi_stream.web.views.insights import Insights
from ubi_stream.web.views.labels import Labels
from ubi_stream.web.views.models import Models
from ubi_stream.web.views.page import page_routes
from ubi_stream.web.views.privacy import PrivacyViews
from ubi_stream.web.views.segments import SegmentViews
from ubi_stream.web.views.users import Users
from ubi_stream.web.views.visits import Visits


class CollectorParts(NamedTuple):
    """What takes events, and what reads those that could not be taken."""

    collector: Collector
    letters: Letters


class Shared(NamedTuple):
    """What the views of any process are made of."""

    reader: Reader
    metrics: Metrics
    clock: Clock
    settings: Settings
    guard: RequestGuard


class Parts(NamedTuple):
    """What the views of a worker are made of."""

    port: WorkerPort
    pool: asyncpg.Pool | None
    reader: Reader
    forwarder: Forwarder
    metrics: Metrics
    clock: Clock
    settings: Settings
    guard: RequestGuard
    intake: CollectorParts | None = None


def worker_routes(parts: Parts) -> list[Route]:
    """All routes of a worker, in the order in which the documentation lists them."""
    port, reader = parts.port, parts.reader
    table = [
        *page_routes(),
        *Users(port, reader, parts.forwarder).routes(),
        *Identities(port, parts.clock).routes(),
        *Insights(reader).routes(),
        *InsightCounts(port, reader).routes(),
        *SegmentViews(port, reader).routes(),
        *Visits(reader).routes(),
        *Features(port).routes(),
        *Models(port).routes(),
        *Labels(port, parts.forwarder, parts.clock).routes(),
        *PrivacyViews(port, reader, parts.forwarder, parts.clock).routes(),
        *access_routes(parts.guard, reader, parts.clock, parts.settings),
        *collector_routes(_shared(parts), parts.intake),
        *Health(port, reader, parts.metrics).routes(),
    ]
    table += documentation_routes(table)
    return table


class TierPort(PackPort, ReadinessPort, Protocol):
    """A process without partitions, as its views see it."""


def tier_routes(port: TierPort, shared: Shared, intake: CollectorParts) -> list[Route]:
    """Routes of a process without partitions: what takes events, and what is read from the database."""
    reader = shared.reader
    return [
        *Insights(reader).routes(),
        *InsightCounts(port, reader).routes(),
        *SegmentViews(port, reader).routes(),
        *Visits(reader).routes(),
        *access_routes(shared.guard, reader, shared.clock, shared.settings),
        *collector_routes(shared, intake),
        *Health(port, reader, shared.metrics).routes(),
    ]


def collector_routes(shared: Shared, intake: CollectorParts | None) -> list[Route]:
    """Routes that take events, and those about dead letters; none where no events are taken."""
    if intake is None:
        return []
    collector, letters = intake
    return [
        *CollectorViews(collector, shared.clock, origins=shared.settings.collector_origins).routes(),
        *DeadLetterViews(shared.reader, collector, letters).routes(),
    ]


def _shared(parts: Parts) -> Shared:
    return Shared(parts.reader, parts.metrics, parts.clock, parts.settings, parts.guard)

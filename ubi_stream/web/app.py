"""The views of a worker: the route table on a router."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Final

import asyncpg
from aiohttp import web

from ubi_stream.clock import Clock
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.runtime.http_metrics import HttpMetrics
from ubi_stream.settings import Settings
from ubi_stream.web.dispatch import add_routes
from ubi_stream.web.forward import Forwarder
from ubi_stream.web.middleware.errors import errors_as_problems
from ubi_stream.web.middleware.headers import safe_headers
from ubi_stream.web.middleware.metrics import counted
from ubi_stream.web.middleware.no_body import refuse_bodies
from ubi_stream.web.middleware.proxies import behind
from ubi_stream.web.middleware.request_id import with_request_id
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.reader import QUERY_TIMEOUT_S, Reader
from ubi_stream.web.routes import Route
from ubi_stream.web.security.guard import RequestGuard
from ubi_stream.web.security.setup import Security, client_tls, make_security
from ubi_stream.web.server import WAITING, note_first_request
from ubi_stream.web.table import CollectorParts, Parts, worker_routes

GUARD: Final = web.AppKey("guard", RequestGuard)
"""Who decides who may ask."""

ROUTES: Final[web.AppKey[tuple[Route, ...]]] = web.AppKey("routes", tuple)
"""The route table of an application."""


def create_web(
    port: WorkerPort,
    pool: asyncpg.Pool | None,
    metrics: Metrics,
    clock: Clock,
    *,
    settings: Settings | None = None,
    secret: bytes | None = None,
    intake: CollectorParts | None = None,
    query_timeout_s: float = QUERY_TIMEOUT_S,
) -> web.Application:
    """The application of a worker's views.

    Parameters
    ----------
    port
        The worker.
    pool
        Where insights are read from; None answers 503 where they are asked for.
    metrics
        What `/metrics` shows.
    clock
        When labels are given, and how many a second.
    settings
        Who may ask for what, and how often.
    secret
        What all workers share: see `shared_secret`.
    intake
        What takes events; None where they come by Kafka alone.
    query_timeout_s
        Longest time of a query.

    Raises
    ------
    ConfigError
        A setting is wrong.
    """
    settings = settings or Settings(_env_file=None)
    http = HttpMetrics(metrics.registry)
    security = make_security(settings, pool, clock, http, secret or secrets.token_bytes(32))
    forwarder = Forwarder(security.hops, tls=client_tls(settings))
    reader = Reader(pool, timeout_s=query_timeout_s)
    parts = Parts(port, pool, reader, forwarder, metrics, clock, settings, security.guard, intake)
    app = build_app(worker_routes(parts), security, http, clock)
    app.cleanup_ctx.append(forwarder.lifespan)
    return app


def build_app(routes: Iterable[Route], security: Security, metrics: HttpMetrics, clock: Clock) -> web.Application:
    """An application of any route table."""
    proxies = [behind(security.proxies)] if security.proxies else []
    app = web.Application(
        middlewares=[
            note_first_request,
            *proxies,
            counted(metrics, clock),
            with_request_id,
            safe_headers,
            errors_as_problems,
            refuse_bodies,
        ]
    )
    table = tuple(routes)
    app[ROUTES] = table
    app[WAITING] = set()
    app[GUARD] = security.guard
    app.cleanup_ctx.extend([security.guard.keys.lifespan, security.guard.audit.lifespan])
    add_routes(app, table, security.guard)
    return app

"""The views of a worker: the route table on a router, and the server that runs it beside the stream."""

from __future__ import annotations

import errno
import secrets
import socket
import ssl
from collections.abc import Iterable
from typing import Final

import asyncpg
from aiohttp import web
from yarl import URL

from ubi_stream.clock import Clock
from ubi_stream.errors import ConfigError
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.runtime.http_metrics import HttpMetrics
from ubi_stream.settings import Settings
from ubi_stream.web.address import local_url
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
from ubi_stream.web.security.setup import Security, client_tls, make_security
from ubi_stream.web.table import CollectorParts, Parts, worker_routes

_STOP_WITHIN_S: Final = 2.0
"""Time for requests under way when the worker stops."""

_KEEP_ALIVE_S: Final = 75.0
"""Longer than the idle time of common proxies, so that these close first."""

_LINGERING_S: Final = 1.0
"""How long a body that nobody wants is read and dropped, so that its sender sees the answer."""

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
    app.cleanup_ctx.extend([security.guard.keys.lifespan, security.guard.audit.lifespan])
    add_routes(app, table, security.guard)
    return app


class WebServer:
    """Serves an application on a host and port until it is stopped.

    Parameters
    ----------
    port
        0 takes a free one; `url` says which.
    tls
        Certificate of the views; None serves them without.
    """

    def __init__(self, app: web.Application, *, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        # No access log: its lines have users' ids in them, and requests are no notable things.
        self._runner = web.AppRunner(
            app,
            access_log=None,
            auto_decompress=False,  # bodies are undone within their routes' limits
            handle_signals=False,
            keepalive_timeout=_KEEP_ALIVE_S,
            lingering_time=_LINGERING_S,
            shutdown_timeout=_STOP_WITHIN_S,
        )

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        ConfigError
            The address can't be had.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls).start()
        except OSError as error:
            await self._runner.cleanup()
            what = f"The views can't listen on {self._host}:{self._port}"
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"{what}: another program does, perhaps another worker. Choose another port by UBI_WEB_PORT or "
                    "--web-port; 0 takes a free one"
                ) from error
            raise ConfigError(
                f"{what} ({error.strerror or type(error).__name__}): set UBI_WEB_HOST to an address of this machine "
                "and UBI_WEB_PORT to a port that may be used, or to 0"
            ) from error

    async def stop(self) -> None:
        """Finish requests under way, for up to 2 s, and close. Stopping twice, or what never started, is fine."""
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Address of the views, as this machine reaches them; to be asked once it is started."""
        return local_url(*self._runner.addresses[0][:2], scheme="https" if self._tls else "http")


def advertised_url(settings: Settings, url: str) -> str:
    """Address of the views for other workers: on all addresses means by the name of this machine."""
    if settings.advertised_url:
        return settings.advertised_url
    everywhere = settings.web_host in ("0.0.0.0", "::")
    return str(URL(url).with_host(socket.gethostname())) if everywhere else url

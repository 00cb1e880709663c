"""The views of a worker: routes, wired to what they need, and the server that runs them beside the stream."""

from __future__ import annotations

import errno
import socket
from typing import Final

import asyncpg
from aiohttp import web
from yarl import URL

from ubi_stream.clock import Clock
from ubi_stream.errors import ConfigError
from ubi_stream.runtime.metrics import Metrics
from ubi_stream.settings import Settings
from ubi_stream.web.address import local_url
from ubi_stream.web.forward import Forwarder
from ubi_stream.web.middleware import MIDDLEWARES
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.reader import QUERY_TIMEOUT_S, Reader
from ubi_stream.web.views.features import Features
from ubi_stream.web.views.health import Health
from ubi_stream.web.views.insight_counts import InsightCounts
from ubi_stream.web.views.insights import Insights
from ubi_stream.web.views.labels import MAX_LABEL_BYTES, Labels
from ubi_stream.web.views.models import Models
from ubi_stream.web.views.page import STATIC_FILES, StaticFile
from ubi_stream.web.views.segments import Segments
from ubi_stream.web.views.users import Users
from ubi_stream.web.views.visits import Visits

_ID: Final = "{id:[^/]+}"
"""Any id, percent-encoded: a slash in it comes as %2F."""

_STOP_WITHIN_S: Final = 2.0
"""Time for requests under way when the worker stops."""

_KEEP_ALIVE_S: Final = 75.0
"""Longer than the idle time of common proxies, so that these close first."""

_LINGERING_S: Final = 1.0
"""How long a body that nobody wants is read and dropped, so that its sender sees the answer."""


def create_web(
    port: WorkerPort,
    pool: asyncpg.Pool | None,
    metrics: Metrics,
    clock: Clock,
    *,
    query_timeout_s: float = QUERY_TIMEOUT_S,
) -> web.Application:
    """The application of the views. All routes only read, but for the one that takes labels.

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
    query_timeout_s
        Longest time of a query.
    """
    reader = Reader(pool, timeout_s=query_timeout_s)
    forwarder = Forwarder()
    health = Health(port, reader, metrics)
    users, insights = Users(port, reader, forwarder), Insights(reader)
    segments, visits = Segments(port, reader), Visits(reader)
    app = web.Application(middlewares=MIDDLEWARES, client_max_size=MAX_LABEL_BYTES)
    app.cleanup_ctx.append(forwarder.lifespan)
    app.add_routes(
        [
            web.get("/health/live", health.live),
            web.get("/health/ready", health.ready),
            web.get("/metrics", health.metrics),
            web.get(f"/api/v1/users/{_ID}", users.profile),
            web.get(f"/api/v1/users/{_ID}/insights", users.insights),
            web.get(f"/api/v1/users/{_ID}/forecast", users.forecast),
            web.get("/api/v1/insights", insights.page),
            web.get("/api/v1/insights/counts", InsightCounts(port, reader).counts),
            web.get("/api/v1/segments", segments.shares),
            web.get("/api/v1/segments/history", segments.history),
            web.get("/api/v1/segments/distribution", segments.distribution),
            web.get("/api/v1/segments/funnel", segments.funnel),
            web.get("/api/v1/visits", visits.page),
            web.get(f"/api/v1/visits/{_ID}", visits.one),
            web.get("/api/segments/user_behavior_segments", visits.behavior_segments),
            web.get("/api/v1/models", Models(port).report),
            web.get("/api/v1/features", Features(port).words),
            web.post("/api/v1/labels", Labels(port, forwarder, clock).take),
            web.get("/", StaticFile("index.html").serve),
            *(web.get(f"/static/{name}", StaticFile(name).serve) for name in STATIC_FILES),
        ]
    )
    return app


class WebServer:
    """Serves an application on a host and port until it is stopped.

    Parameters
    ----------
    port
        0 takes a free one; `url` says which.
    """

    def __init__(self, app: web.Application, *, host: str, port: int) -> None:
        self._host = host
        self._port = port
        # No access log: its lines have users' ids in them, and requests are no notable things.
        self._runner = web.AppRunner(
            app,
            access_log=None,
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
            await web.TCPSite(self._runner, self._host, self._port).start()
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
        return local_url(*self._runner.addresses[0][:2])


def advertised_url(settings: Settings, url: str) -> str:
    """Address of the views for other workers: on all addresses means by the name of this machine."""
    if settings.advertised_url:
        return settings.advertised_url
    everywhere = settings.web_host in ("0.0.0.0", "::")
    return str(URL(url).with_host(socket.gethostname())) if everywhere else url

"""The collector and the views of the database in a process of their own: for loads that workers should not carry."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import structlog
import uvloop
from aiokafka.errors import KafkaError

from ubi_stream.clock import Clock, SystemClock
from ubi_stream.errors import BrokerUnavailableError, ConfigError
from ubi_stream.kafka.client import connect_admin
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.metrics.status import Check
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.schema import Pack
from ubi_stream.runtime.http_metrics import HttpMetrics
from ubi_stream.runtime.logs import configure_logging
from ubi_stream.runtime.stop import stop_signal
from ubi_stream.runtime.topics import ensure_topics
from ubi_stream.settings import Settings
from ubi_stream.sinks.database import create_pool, wait_for_database
from ubi_stream.sinks.migrations import migrate
from ubi_stream.web.app import build_app
from ubi_stream.web.collecting import start_collector
from ubi_stream.web.reader import Reader
from ubi_stream.web.security.setup import make_security, server_tls, shared_secret
from ubi_stream.web.server import WebServer
from ubi_stream.web.table import CollectorParts, Shared, tier_routes

_log = structlog.get_logger("ubi_stream.serve")


def run_serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; returns the process's exit status.

    Raises
    ------
    UbiError
        It could not start: the message says why.
    """
    configure_logging(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(settings, SystemClock()))


class ServingTier:
    """What the views need to know of a process without partitions."""

    def __init__(self, pack: Pack, intake: CollectorParts) -> None:
        self._pack = pack
        self._intake = intake

    @property
    def pack(self) -> Pack:
        """The pack whose events are taken."""
        return self._pack

    def readiness(self) -> Sequence[Check]:
        """Whether Kafka took the newest events."""
        return [Check("broker", ok=self._intake.collector.delivers)]


async def _run(settings: Settings, clock: Clock) -> int:
    stop = stop_signal()
    pack = load_pack(settings.pack, nobody=settings.nobody)
    await _prepare(settings, pack, clock)
    async with AsyncExitStack() as stack:
        metrics = Metrics(pack)
        try:
            intake = await start_collector(stack, settings, pack, metrics)
        except KafkaError as error:
            raise BrokerUnavailableError(
                f"Kafka at {settings.broker} went away while the collector started ({type(error).__name__})"
            ) from error
        if intake is None:
            raise ConfigError("UBI_COLLECTOR = false, or UBI_EVENTS_MAPPING is set: there is nothing to serve")
        server = await _serve(stack, settings, pack, clock, metrics, intake)
        _log.info("ready", views=f"{server.url}/", events_topic=settings.events_topic)
        await stop.wait()
        _log.info("stopping")
    _log.info("stopped")
    return 0


async def _prepare(settings: Settings, pack: Pack, clock: Clock) -> None:
    """Wait for Kafka and Postgres, and make what is missing there."""
    admin = await connect_admin(settings, clock, on_retry=_log.warning)
    try:
        await ensure_topics(admin, settings, pack)
    finally:
        await admin.close()
    dsn = settings.postgres_dsn.get_secret_value()
    await wait_for_database(
        dsn,
        within_s=settings.startup_timeout_s,
        clock=clock,
        on_retry=lambda attempt, code: _log.warning("database_not_reachable", attempt=attempt, code=code),
    )
    await migrate(dsn)


async def _serve(
    stack: AsyncExitStack, settings: Settings, pack: Pack, clock: Clock, metrics: Metrics, intake: CollectorParts
) -> WebServer:
    dsn = settings.postgres_dsn.get_secret_value()
    pool = await create_pool(dsn, size=settings.postgres_pool_size, application="ubi-serve")
    stack.callback(pool.terminate)
    http = HttpMetrics(metrics.registry)
    secret = await shared_secret(settings, pool)
    security = make_security(settings, pool, clock, http, secret)
    shared = Shared(Reader(pool), metrics, clock, settings, security.guard)
    app = build_app(tier_routes(ServingTier(pack, intake), shared, intake), security, http, clock)
    server = WebServer(app, host=settings.web_host, port=settings.web_port, tls=server_tls(settings))
    await server.start()
    stack.push_async_callback(server.stop)
    return server

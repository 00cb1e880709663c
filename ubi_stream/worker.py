"""A worker: everything put together, started in order, and stopped so that nothing has to be done twice."""

from __future__ import annotations

import asyncio
import gc
import secrets
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg
import faust
import structlog
import uvloop
from aiokafka.errors import KafkaError
from pydantic import SecretStr
from yarl import URL

from ubi_stream.clock import Clock, SystemClock
from ubi_stream.errors import BrokerUnavailableError, DeliveryError
from ubi_stream.kafka.client import client_options, connect_admin, membership
from ubi_stream.kafka.outbox import KafkaOutbox
from ubi_stream.kafka.restore import Restorer
from ubi_stream.kafka.topic_identity import partition_epochs, read_epoch
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.packs.loader import load_pack
from ubi_stream.reasons import FailStopReason
from ubi_stream.runtime.app import AppParts, create_app
from ubi_stream.runtime.failstop import FailStop
from ubi_stream.runtime.label_replies import LabelReplies
from ubi_stream.runtime.logs import configure_logging
from ubi_stream.runtime.observer import MetricsObserver, SinkMetrics
from ubi_stream.runtime.state_stores import StateStores
from ubi_stream.runtime.stop import stop_signal
from ubi_stream.runtime.task_manager import TaskManager
from ubi_stream.runtime.topic_check import differing_configs, require_harmless
from ubi_stream.runtime.topics import ensure_topics
from ubi_stream.runtime.view import WorkerView
from ubi_stream.settings import Settings
from ubi_stream.sinks.consumer import SinkConsumer
from ubi_stream.sinks.database import create_pool, wait_for_database
from ubi_stream.sinks.decode import read_dead_letter, read_insight, read_recommendation, read_visit, read_window
from ubi_stream.sinks.migrations import migrate
from ubi_stream.sinks.postgres import PostgresSink
from ubi_stream.sinks.retention import keep_retention
from ubi_stream.web.app import GUARD, create_web
from ubi_stream.web.collecting import start_collector
from ubi_stream.web.security.guard import NO_KEYS
from ubi_stream.web.security.setup import server_tls, shared_secret
from ubi_stream.web.server import WebServer, advertised_url

DRAIN_S: Final = 5.0
"""How long a stopping worker may flush and commit."""
LEAVE_S: Final = 3.0
"""How long leaving the groups may take: with all else, the worker is gone within 10 s."""
READY_POLL_S: Final = 0.1
GC_THRESHOLDS: Final = (20_000, 20, 50)
"""Allocations before a garbage collection: with Python's own, the states in memory are walked through all the time."""

_T = TypeVar("_T")


def run_worker(settings: Settings) -> int:
    """Run a worker until SIGTERM or SIGINT; returns the process's exit status.

    A second signal ends it at once: what was not flushed is then processed again.

    Raises
    ------
    UbiError
        It could not start: the message says why.
    """
    configure_logging(settings)
    gc.set_threshold(*GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Worker(settings, SystemClock()).run())


class _Prepared(NamedTuple):
    """What is known of the topics: source epoch by entity, and the id of each topic that goes to Postgres."""

    epochs: dict[str, int]
    topic_ids: dict[str, str]


class Worker:
    """The parts of a worker, and the order in which they live."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = _with_snapshot_key(settings)
        self._clock = clock
        self._pack = load_pack(settings.pack, nobody=settings.nobody)
        self._metrics = Metrics(self._pack)
        self._fail_stop = FailStop(self._metrics.fail_stop)
        self._restorer = Restorer(
            client_options(settings),
            clock,
            deadline_s=settings.recovery_deadline_s,
            on_quarantine=lambda _topic: self._metrics.recovery_quarantined.inc(),
        )
        self._stores = StateStores(settings, clock)
        self._log = structlog.get_logger("ubi_stream.worker")
        self._services: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Start, work until told to stop, and stop."""
        stop = stop_signal()
        async with AsyncExitStack() as stack:
            stack.enter_context(self._stores)
            try:
                prepared = await _unless(stop, self._prepare())
                if prepared is None:
                    return 0
                app, tasks = await self._start(stack, prepared, stop)
            except KafkaError as error:
                raise BrokerUnavailableError(
                    f"Kafka at {self._settings.broker} went away while the worker started ({type(error).__name__})"
                ) from error
            await stop.wait()
            await self._leave(app, tasks)
        return 0

    async def _prepare(self) -> _Prepared:
        """Everything that may have to wait for a server."""
        epochs, topic_ids = await self._prepare_kafka()
        await self._prepare_database()
        return _Prepared(epochs, topic_ids)

    async def _start(
        self, stack: AsyncExitStack, prepared: _Prepared, stop: asyncio.Event
    ) -> tuple[faust.App, TaskManager]:
        outbox = KafkaOutbox(client_options(self._settings), timeout_s=self._settings.delivery_timeout_s)
        stack.push_async_callback(outbox.stop)
        await outbox.start()
        pool = await create_pool(self._dsn, size=self._settings.postgres_pool_size, application="ubi-views")
        stack.callback(pool.terminate)
        app, tasks = await self._serve(stack, outbox, prepared.epochs, pool)
        self._start_service("sink", self._run_sink(stack, prepared.topic_ids, stop))
        self._start_service("barriers", tasks.keep_flushing())
        removed = self._metrics.retention_rows
        keeping = keep_retention(pool, self._pack.retention, self._clock, lambda table, n: removed.labels(table).inc(n))
        self._start_service("retention", keeping)
        self._log.info("starting", pack=self._pack.name, app_id=self._settings.app_id)
        await app.start()
        self._start_service("faust", _until_crash(app, stop))
        return app, tasks

    @property
    def _dsn(self) -> str:
        return self._settings.postgres_dsn.get_secret_value()

    async def _prepare_kafka(self) -> tuple[dict[str, int], dict[str, str]]:
        """Make the topics, and learn which life of them this is."""
        settings = self._settings
        admin = await connect_admin(settings, self._clock, on_retry=self._log.warning)
        try:
            report = await ensure_topics(admin, settings, self._pack)
            if report.created:
                self._log.info("topics_created", topics=report.created)
            differences = await differing_configs(admin, settings, self._pack)
            require_harmless(differences)
            for one in differences:
                self._log.warning("topic_differs", topic=one.topic, setting=one.key, found=one.found, wanted=one.wanted)
            epochs = await partition_epochs(admin, settings, self._pack)
            await self._stores.find(admin, self._pack)
            return epochs, {topic: str(await read_epoch(admin, topic)) for topic in settings.sunk_topics}
        finally:
            await admin.close()

    async def _prepare_database(self) -> None:
        await wait_for_database(
            self._dsn,
            within_s=self._settings.startup_timeout_s,
            clock=self._clock,
            on_retry=lambda attempt, code: self._log.warning("database_not_reachable", attempt=attempt, code=code),
        )
        applied = await migrate(self._dsn)
        if applied:
            self._log.info("migrations_applied", migrations=applied)

    async def _serve(
        self, stack: AsyncExitStack, outbox: KafkaOutbox, epochs: dict[str, int], pool: asyncpg.Pool
    ) -> tuple[faust.App, TaskManager]:
        """Make the application, and its views, which answer from before the first event on."""
        settings = self._settings
        replies = LabelReplies(settings, outbox)
        parts = AppParts(
            epochs=epochs,
            stores=self._stores.by_entity,
            outbox=outbox,
            observer=MetricsObserver(self._metrics, replies),
            restorer=self._restorer,
            fail_stop=self._fail_stop,
            clock=self._clock,
        )
        app, tasks = create_app(settings, self._pack, parts)
        view = WorkerView(settings, self._pack, app, tasks, self._restorer, replies)
        self._metrics.add_refresher(lambda: self._refresh(view))
        tasks.on_change = lambda: self._count_models(view)
        web = create_web(
            view,
            pool,
            self._metrics,
            self._clock,
            settings=settings,
            secret=await shared_secret(settings, pool),
            intake=await start_collector(stack, settings, self._pack, self._metrics),
        )
        server = WebServer(web, host=settings.web_host, port=settings.web_port, tls=server_tls(settings))
        await server.start()
        stack.push_async_callback(server.stop)
        if await web[GUARD].is_open():
            self._log.info("no_keys", message=NO_KEYS)
        app.conf.canonical_url = URL(advertised_url(settings, server.url))  # how other workers find these views
        self._start_service("readiness", self._say_when_ready(view, server.url))
        return app, tasks

    async def _run_sink(self, stack: AsyncExitStack, topic_ids: dict[str, str], stop: asyncio.Event) -> None:
        settings = self._settings
        sink = PostgresSink(self._dsn, clock=self._clock, epochs=topic_ids, pool_size=2)
        stack.push_async_callback(sink.close)
        consumer = SinkConsumer(
            client_options=client_options(settings) | membership(settings),
            group_id=f"{settings.app_id}-sink",
            readers={
                settings.insights_topic: read_insight,
                settings.dead_letters_topic: read_dead_letter,
                settings.windows_topic: read_window,
                settings.visits_topic: read_visit,
                settings.recommendations_topic: read_recommendation,
            },
            sink=sink,
            clock=self._clock,
            observer=SinkMetrics(self._metrics),
        )
        self._metrics.add_refresher(lambda: self._metrics.set_sink_lag(consumer.lag()))
        await consumer.run(stop)

    async def _say_when_ready(self, view: WorkerView, url: str) -> None:
        """Log, once, that the worker has its partitions and has restored them."""
        while True:
            if all(check.ok for check in view.readiness()):
                self._log.info("ready", views=f"{url}/", events_topic=self._settings.events_topic)
                return
            await asyncio.sleep(READY_POLL_S)

    def _refresh(self, view: WorkerView) -> None:
        metrics = self._metrics
        metrics.set_lag(view.lag())
        self._count_models(view)
        metrics.users.set(view.entities("user"))
        metrics.state_bytes.set(view.state_bytes())
        metrics.set_segment_users(view.segment_users())
        metrics.set_recovery(self._restorer.progress)

    def _count_models(self, view: WorkerView) -> None:
        self._metrics.set_models(view.model_quality(), view.detectors())

    def _start_service(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        self._services.add(task)
        task.add_done_callback(self._service_ended)

    def _service_ended(self, task: asyncio.Task[None]) -> None:
        self._services.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail_stop.trip(FailStopReason.SERVICE_CRASHED, error)

    async def _leave(self, app: faust.App, tasks: TaskManager) -> None:
        """Flush, commit, and leave the group."""
        self._log.info("stopping")
        app.consumer.stop_flow()
        try:
            async with asyncio.timeout(DRAIN_S):
                await tasks.close(range(self._settings.partitions), within_s=DRAIN_S)
                await app.consumer.commit_done()
        except TimeoutError:
            self._log.warning("not_committed", seconds=DRAIN_S)  # the next start does it again, without effect
        leaving = asyncio.create_task(app.stop(), name="leave")
        sinks = {task for task in self._services if task.get_name() == "sink"}  # ends by the same signal
        _, late = await asyncio.wait({leaving, *sinks}, timeout=LEAVE_S)
        if late:
            self._log.warning("left_behind", services=sorted(task.get_name() for task in late), seconds=LEAVE_S)
        for task in [leaving, *self._services]:
            task.cancel()
        await asyncio.wait({leaving, *self._services}, timeout=1.0)
        self._log.info("stopped")


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, _T]) -> _T | None:
    """Do this, or return None as soon as the worker is told to stop."""
    tasks = working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def _until_crash(app: faust.App, stop: asyncio.Event) -> None:
    """Wait until the application ends; raises if nobody asked it to."""
    await app.wait_until_stopped()
    if not stop.is_set():
        raise DeliveryError(f"Faust ended: {app.crash_reason!r}") from app.crash_reason


def _with_snapshot_key(settings: Settings) -> Settings:
    """Settings with a key for snapshots: a passing one, with a warning, if there is none."""
    if settings.snapshot_key.get_secret_value():
        return settings
    structlog.get_logger("ubi_stream.worker").warning(
        "no_snapshot_key",
        message="UBI_SNAPSHOT_KEY is not set: models start fresh with every restart and every partition that moves. "
        "Set it to a long secret, the same for all workers; `openssl rand -hex 32` prints one",
    )
    return settings.model_copy(update={"snapshot_key": SecretStr(secrets.token_hex(32))})

"""Puts the Faust application together: topics, tables, agents, transport, recovery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import faust
import structlog
from faust.types import TP

from ubi_stream.agents import events as events_agent
from ubi_stream.agents import repartitioned as repartitioned_agent
from ubi_stream.clock import Clock
from ubi_stream.kafka.assignor import ChunkAssignor
from ubi_stream.kafka.changelog_store import ChangelogStore
from ubi_stream.kafka.client import client_options, tls_context
from ubi_stream.kafka.gaps import check_gap
from ubi_stream.kafka.outbox import Outbox
from ubi_stream.kafka.recovery import ChunkTableManager
from ubi_stream.kafka.restore import Restorer
from ubi_stream.kafka.stock import BUFFERED_MESSAGES, StockTransport
from ubi_stream.kafka.transport import ChunkConsumer, ChunkTopic, ChunkTransport
from ubi_stream.packs.schema import Pack
from ubi_stream.reasons import FailStopReason
from ubi_stream.runtime.failstop import FailStop
from ubi_stream.runtime.partition_task import TaskObserver
from ubi_stream.runtime.task_manager import TaskManager
from ubi_stream.runtime.topics import source_topics
from ubi_stream.settings import Settings
from ubi_stream.tables import partitions as record_tables
from ubi_stream.tables import states as state_tables


@dataclass(frozen=True, slots=True)
class AppParts:
    """What an application is made of, besides settings and pack; epochs and stores of states are by entity."""

    epochs: dict[str, int]
    stores: Mapping[str, ChangelogStore]
    outbox: Outbox
    observer: TaskObserver
    restorer: Restorer
    fail_stop: FailStop
    clock: Clock


class _App(faust.App):
    """Faust's application; what is kept on disk is not its."""

    def _create_directories(self) -> None:
        """Faust would make folders for stores where the process was started."""


def create_app(settings: Settings, pack: Pack, parts: AppParts) -> tuple[faust.App, TaskManager]:
    """Make the application and its lanes; nothing is connected yet."""
    app = _App(settings.app_id, **_faust_settings(settings))
    app.transport = _transport(settings)(app.conf.broker_consumer, app=app)
    states = {
        entity.name: state_tables.declare(app, entity.name, settings.partitions, parts.stores[entity.name])
        for entity in pack.entities
    }
    records = {entity.name: record_tables.declare(app, entity.name, settings.partitions) for entity in pack.entities}
    for table in (*states.values(), *records.values()):
        app.tables.add(table)
    tasks = TaskManager(
        pack,
        settings,
        epochs=parts.epochs,
        states=states,
        records=records,
        outbox=parts.outbox,
        observer=parts.observer,
        clock=parts.clock,
        trip=parts.fail_stop.trip,
    )
    _register_agents(app, settings, pack, tasks)
    _wire(app, settings, pack, parts, tasks)
    return app, tasks


def _faust_settings(settings: Settings) -> dict[str, object]:
    """Faust's settings; `docs/faust.md` has the reasons at length."""
    tls = tls_context(settings) if settings.security_protocol.endswith("SSL") else None
    credentials: object = tls
    if settings.security_protocol.startswith("SASL"):
        assert settings.sasl_password is not None, "the settings check that SASL has credentials"
        credentials = faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password.get_secret_value(),
            ssl_context=tls,
            mechanism=settings.sasl_mechanism,
        )
    return {
        "broker": [f"kafka://{host}" for host in settings.broker.split(",")],
        "broker_credentials": credentials,
        "store": "memory://",  # Faust's own store is not used: tables keep bytes by partition
        "processing_guarantee": "at_least_once",  # "exactly_once" loses and doubles
        "web_enabled": False,  # it shows tables to anybody
        "TableManager": ChunkTableManager,
        "PartitionAssignor": ChunkAssignor,
        "topic_allow_declare": False,  # topics are ours
        "topic_disable_leader": True,
        "topic_partitions": settings.partitions,
        "table_standby_replicas": 0,  # with a memory store they cost traffic and give nothing
        "consumer_auto_offset_reset": "earliest",
        "consumer_group_instance_id": settings.instance_id,
        "consumer_max_fetch_size": 256 * 1024,  # of one partition at a time: partitions stay close in event time
        "broker_session_timeout": settings.session_timeout_s,
        "broker_heartbeat_interval": settings.session_timeout_s / 5,
        "broker_request_timeout": 90.0,
        "broker_max_poll_interval": 120.0,
        "broker_commit_interval": 0.5,  # how much is folded again, without effect, after a crash
        "stream_buffer_maxsize": 8 if settings.transport == "chunked" else BUFFERED_MESSAGES,  # chunks, messages
        "stream_wait_empty": False,  # the barrier at revocation is ours
        "stream_recovery_delay": 0.0,
    }


def _transport(settings: Settings) -> type[ChunkTransport | StockTransport]:
    if settings.transport == "chunked":
        return ChunkTransport
    structlog.get_logger("ubi_stream.app").warning(
        "stock_transport",
        message="UBI_TRANSPORT=stock is only to compare with: it is slow, and records that Faust passes over are not "
        "noticed, so nothing of what the product promises about delivery holds",
    )
    return StockTransport


def _register_agents(app: faust.App, settings: Settings, pack: Pack, tasks: TaskManager) -> None:
    events_agent.register(app, _chunk_topic(app, settings.events_topic, settings.partitions), tasks.process)
    for entity in pack.entities:
        topic = _chunk_topic(app, settings.repartition_topic(entity.name), settings.partitions)
        repartitioned_agent.register(app, topic, entity.name, tasks.process)


def _chunk_topic(app: faust.App, name: str, partitions: int) -> ChunkTopic:
    return ChunkTopic(
        app,
        topics=[name],
        partitions=partitions,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
    )


def _wire(app: faust.App, settings: Settings, pack: Pack, parts: AppParts, tasks: TaskManager) -> None:
    options = client_options(settings)
    fail_stop = parts.fail_stop

    async def on_gap(tp: TP, expected: int, found: int) -> None:
        try:
            parts.observer.offsets_missing(*await check_gap(options, tp.topic, tp.partition, expected, found))
        except Exception as error:  # noqa: BLE001 - without an answer the hole counts as ours
            fail_stop.trip(FailStopReason.OFFSETS_MISSING, error)

    def on_recovery_failure(error: BaseException) -> None:
        fail_stop.trip(FailStopReason.RECOVERY_FAILED, error)

    def on_assignment_failure(error: BaseException) -> None:
        fail_stop.trip(FailStopReason.SERVICE_CRASHED, error)

    app.assignor.on_failure = on_assignment_failure
    consumer: ChunkConsumer = app.consumer
    consumer.chunk_topics = frozenset(source_topics(settings, pack))
    consumer.chunk_size = settings.chunk_max_events
    consumer.on_gap = on_gap
    tasks.consumer = consumer
    app.tables.configure(parts.restorer, tasks.open, on_recovery_failure)

    async def on_revoked(_app: faust.App, revoked: set[TP], **_signal: object) -> None:
        await tasks.close({tp.partition for tp in revoked}, within_s=settings.session_timeout_s * 0.6)
        await consumer.commit_done()

    app.on_partitions_revoked.connect(on_revoked, weak=False)

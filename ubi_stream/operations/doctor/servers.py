"""What can be asked of Kafka and Postgres, each once, without waiting for them."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from ubi_stream.clock import Clock
from ubi_stream.errors import TopicLayoutError, UbiError
from ubi_stream.kafka.client import client_options, connect_admin
from ubi_stream.operations.doctor.finding import Finding, fail, ok, warn
from ubi_stream.packs.loader import load_pack
from ubi_stream.runtime.topic_check import differing_configs
from ubi_stream.runtime.topics import check_topics
from ubi_stream.settings import Settings
from ubi_stream.sinks.database import CONNECT_TIMEOUT_S, parse_target, wait_for_database
from ubi_stream.sinks.migrations import pending

_SKEW_WARN_S: Final = 1.0
_LAST_OFFSETS: Final = 100
_POLL_MS: Final = 2_000
_SKEW_FAIL_S: Final = 60.0  # an event of that moment would still be accepted, but lag and latency make no sense
_TIMEOUT_S: Final = 15.0


async def check_servers(settings: Settings, clock: Clock) -> list[Finding]:
    """All checks that ask a server; both are asked at the same time."""
    kafka, postgres = await asyncio.gather(check_kafka(settings, clock), check_postgres(settings, clock))
    return [*kafka, *postgres]


async def check_kafka(settings: Settings, clock: Clock) -> list[Finding]:
    """Does the broker answer, and are the topics as the settings say?"""
    once = settings.model_copy(update={"startup_timeout_s": 0.0})
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            admin = await connect_admin(once, clock)
            try:
                brokers = len((await admin.describe_cluster())["brokers"])
                found = ok("broker", f"Kafka at {settings.broker} answers ({brokers} broker{'s' * (brokers != 1)})")
                partitions = {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics()}
                events = [
                    TopicPartition(settings.events_topic, n) for n in range(partitions.get(settings.events_topic, 0))
                ]
                return [
                    found,
                    *await _check_topics(admin, settings),
                    *await _check_broker_clock(events, settings, clock),
                ]
            finally:
                await admin.close()
    except (UbiError, KafkaError, OSError) as error:  # a TimeoutError is an OSError
        return [
            fail(
                "broker",
                f"Kafka at {settings.broker} does not answer ({type(error.__cause__ or error).__name__})",
                "start it, or set UBI_BROKER (and UBI_SECURITY_PROTOCOL, UBI_SASL_…); `ubi demo` needs none",
            )
        ]


async def _check_topics(admin: AIOKafkaAdminClient, settings: Settings) -> list[Finding]:
    try:
        pack = load_pack(settings.pack)
    except UbiError:
        return []  # the pack has a line of its own
    try:
        report = await check_topics(admin, settings, pack)
    except TopicLayoutError as error:
        found, _, advice = str(error).partition(": ")
        return [fail("topics", found, advice)]
    findings = [
        (fail if one.harm else warn)("topic configuration", str(one), "`kafka-configs.sh --alter` changes it")
        for one in await differing_configs(admin, settings, pack)
    ]
    number = len(report.existing) + len(report.created)
    if report.created:
        missing = f"{len(report.created)} of {number} are missing"
        return [warn("topics", missing, "run `ubi topics`; a worker does as well"), *findings]
    return [ok("topics", f"{number} topics of {settings.partitions} partitions"), *findings]


async def _check_broker_clock(events: list[TopicPartition], settings: Settings, clock: Clock) -> list[Finding]:
    """The broker stamps events with its own time: one in our future means that the clocks differ."""
    if not events:
        return []
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
    try:
        await consumer.start()
        starts, ends = await consumer.beginning_offsets(events), await consumer.end_offsets(events)
        found = [await _newest_ms(consumer, tp, starts[tp], ends[tp]) for tp in events if starts[tp] < ends[tp]]
        newest_ms = [time_ms for time_ms in found if time_ms is not None]
    finally:
        await consumer.stop()
    if not newest_ms:
        return []
    ahead_s = (max(newest_ms) - clock.now_ms()) / 1000
    if ahead_s <= _SKEW_WARN_S:
        return [ok("clock of the broker", "not ahead of this machine's")]
    return [_skewed("clock of the broker", ahead_s)]


async def _newest_ms(consumer: AIOKafkaConsumer, partition: TopicPartition, start: int, end: int) -> int | None:
    """When the newest record came; None where the last offsets are ends of transactions, which are no records."""
    consumer.assign([partition])
    consumer.seek(partition, max(start, end - _LAST_OFFSETS))
    polled = await consumer.getmany(partition, timeout_ms=_POLL_MS, max_records=_LAST_OFFSETS)
    return max((record.timestamp for record in polled.get(partition, ())), default=None)


async def check_postgres(settings: Settings, clock: Clock) -> list[Finding]:
    """Does the database answer, are its tables up to date, and what time is it there?"""
    dsn = settings.postgres_dsn.get_secret_value()
    try:
        await wait_for_database(dsn, within_s=0, clock=clock)
        target = parse_target(dsn)
        waiting = await pending(dsn)
    except UbiError as error:
        return [fail("database", str(error), "start it, or set UBI_POSTGRES_DSN; `ubi demo` needs none")]
    found = ok("database", f"Postgres at {target} answers")
    if waiting:
        migrations = warn("migrations", f"pending: {', '.join(waiting)}", "run `ubi migrate`; a worker does as well")
    else:
        migrations = ok("migrations", "up to date")
    return [found, migrations, *await _check_database_clock(dsn, clock)]


async def _check_database_clock(dsn: str, clock: Clock) -> list[Finding]:
    try:
        connection: Any = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
    except asyncpg.InvalidCatalogNameError:
        return []  # the database will be made by the migration
    try:
        before_ms = clock.now_ms()
        there_s = float(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8"))
        middle_s = (before_ms + clock.now_ms()) / 2000
    finally:
        await connection.close()
    skew_s = there_s - middle_s
    if abs(skew_s) <= _SKEW_WARN_S:
        return [ok("clock of the database", f"differs by {abs(skew_s) * 1000:.0f} ms")]
    return [_skewed("clock of the database", skew_s)]


def _skewed(check: str, skew_s: float) -> Finding:
    found = f"{abs(skew_s):,.1f} s {'ahead of' if skew_s > 0 else 'behind'} this machine's"
    advice = "synchronize both clocks (NTP): lateness and latency are measured between them"
    return (fail if abs(skew_s) > _SKEW_FAIL_S else warn)(check, found, advice)

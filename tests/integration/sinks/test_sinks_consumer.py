"""From the topics of a real Kafka to a real Postgres, with everything that happens to a consumer on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count

import aiokafka
import asyncpg
import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from support.memory_sink import MemorySink
from support.sink_rows import dead_letter_record, insight_record
from support.waiting import eventually
from ubi_stream.clock import SystemClock
from ubi_stream.errors import BrokerUnavailableError
from ubi_stream.insights.model import WindowCount
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.sinks import consumer as consumer_module
from ubi_stream.sinks.base import WriteResult
from ubi_stream.sinks.consumer import SinkConsumer
from ubi_stream.sinks.decode import read_dead_letter, read_insight, read_window
from ubi_stream.sinks.migrations import migrate
from ubi_stream.sinks.postgres import PostgresSink

PARTITIONS = 3


class Counts:
    """An observer that adds up."""

    def __init__(self) -> None:
        self.insights = 0
        self.skipped = 0
        self.expired = 0

    def reached(self, insights: int) -> bool:
        """Whether so many insights are stored."""
        return self.insights >= insights

    def batch_written(self, result: WriteResult, seconds: float) -> None:
        assert seconds >= 0
        self.insights += result.insights

    def records_skipped(self, topic: str, count: int) -> None:
        self.skipped += count

    def records_expired(self, topic: str, count: int) -> None:
        self.expired += count


class World:
    """Topics of this test on Kafka, and the database."""

    def __init__(self, kafka: EmbeddedKafka, dsn: str, prefix: str) -> None:
        self.kafka = kafka
        self.dsn = dsn
        self.prefix = prefix
        self.insights, self.dead_letters, self.windows = (
            f"{prefix}.{name}" for name in ("insights", "dead-letters", "windows")
        )
        self.topics = [self.insights, self.dead_letters, self.windows]

    async def create_topics(self) -> None:
        async with self.admin() as admin:
            await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in self.topics])

    async def delete_topics(self) -> None:
        async with self.admin() as admin:
            await admin.delete_topics(self.topics)

    async def send(self, topic: str, values: list[bytes | None]) -> None:
        """Records to the partitions in turn, all acknowledged."""
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap)
        await producer.start()
        try:
            sent = [
                await producer.send(topic, value, key=b"user", partition=number % PARTITIONS)
                for number, value in enumerate(values)
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def send_insights(self, start: int, end: int) -> None:
        await self.send(self.insights, [insight_record(number) for number in range(start, end)])

    async def stored(self, query: str = "SELECT source_offset FROM insights ORDER BY 1") -> list[int]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return [row[0] for row in await connection.fetch(query)]
        finally:
            await connection.close()

    def stored_are(self, end: int) -> Callable[[], Awaitable[bool]]:
        """Whether exactly the insights [0, end) are in the database."""

        async def condition() -> bool:
            return await self.stored() == list(range(end))

        return condition

    @asynccontextmanager
    async def carrying(self, observer: Counts | None = None) -> AsyncIterator[SinkConsumer]:
        """A consumer that runs meanwhile."""
        sink = PostgresSink(self.dsn, clock=SystemClock())
        consumer = SinkConsumer(
            client_options={"bootstrap_servers": self.kafka.bootstrap},
            group_id=f"{self.prefix}-sink",
            readers={
                self.insights: read_insight,
                self.dead_letters: read_dead_letter,
                self.windows: read_window,
            },
            sink=sink,
            clock=SystemClock(),
            observer=observer,
        )
        stop = asyncio.Event()
        running = asyncio.create_task(consumer.run(stop))
        try:
            yield consumer
            stop.set()
            await asyncio.wait_for(running, 2.0)  # the promise of a stop
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await sink.close()

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()


@pytest.fixture
async def world(kafka: EmbeddedKafka, database: str, topic_prefix: str) -> World:
    await migrate(database)
    world = World(kafka, database, topic_prefix)
    await world.create_topics()
    return world


async def test_all_topics_reach_their_tables_and_garbage_blocks_nothing(world: World) -> None:
    windows = [WindowCount("ecommerce", "user", 0, 0, 300_000, "events", "view", number) for number in range(9)]
    await world.send(world.windows, [msgspec.json.encode(window) for window in windows for _ in range(PARTITIONS)])
    await world.send(world.dead_letters, [dead_letter_record(number) for number in range(10)])
    await world.send(world.insights, [None, b"", b"\xff", b"{}", b"[" * 5_000, insight_record(0, at="?")])
    await world.send_insights(0, 100)
    counts = Counts()
    async with world.carrying(counts) as consumer:
        assert consumer.lag() is None
        await eventually(world.stored_are(100), within_s=20)
        await eventually(lambda: consumer.lag() == 0, message="lag is 0")
    assert await world.stored("SELECT count FROM window_counts") == [8]
    assert await world.stored("SELECT source_offset FROM dead_letters ORDER BY 1") == list(range(10))
    assert (counts.insights, counts.skipped) == (100, 6)


async def test_each_insight_is_there_once_over_stops_in_the_middle(world: World) -> None:
    counts = Counts()
    await world.send_insights(0, 12_000)
    for goal in (1, 4_000):
        async with world.carrying(counts):
            await eventually(partial(counts.reached, goal), within_s=20)
    assert counts.insights < 12_000, "nothing was left for the last one"
    async with world.carrying(counts):
        await eventually(lambda: counts.insights >= 12_000, within_s=30)
    assert counts.insights == 12_000
    assert await world.stored() == list(range(12_000))


async def test_what_was_committed_to_kafka_does_not_count(world: World) -> None:
    # The database is restored from a backup that has nothing yet, while Kafka remembers the group's offsets.
    await world.send_insights(0, 300)
    async with world.carrying():
        await eventually(world.stored_are(300), within_s=20)
    await world.stored("WITH gone AS (DELETE FROM sink_offsets) SELECT 1")
    await world.stored("WITH gone AS (DELETE FROM insights) SELECT 1")
    async with world.carrying():
        await eventually(world.stored_are(300), within_s=20)


async def test_a_database_that_goes_back_while_we_write_is_filled_again(world: World) -> None:
    await world.send_insights(0, 300)
    async with world.carrying():
        await eventually(world.stored_are(300), within_s=20)
        await world.stored("WITH gone AS (DELETE FROM insights) SELECT 1")
        await world.stored("WITH back AS (UPDATE sink_offsets SET next_offset = 0) SELECT 1")
        await world.send_insights(300, 330)
        await eventually(world.stored_are(330), within_s=20)


async def test_workers_come_and_go(world: World) -> None:
    first, second = Counts(), Counts()
    sent = count(0, 300)

    async def feed() -> None:
        start = next(sent)
        await world.send_insights(start, start + 300)

    async with world.carrying(first) as one:
        await feed()
        await eventually(lambda: first.insights > 0, within_s=20)
        async with world.carrying(second) as two:
            await eventually(lambda: one.lag() is not None and two.lag() is not None, within_s=20)
            await feed()
            await eventually(lambda: second.insights > 0 and one.lag() == 0 and two.lag() == 0, within_s=20)
        await feed()
        await eventually(world.stored_are(900), within_s=20)
    assert first.insights + second.insights == 900


async def test_an_outage_of_the_database_is_waited_out_in_the_group(
    world: World, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_module, "_KEEPALIVE_S", 0.05)
    await world.send_insights(0, 300)
    async with world.carrying() as consumer:
        await eventually(world.stored_are(300), within_s=20)
        await asyncio.to_thread(postgres.stop)
        try:
            await world.send_insights(300, 3_000)
            await eventually(lambda: (consumer.lag() or 0) > 0, message="records wait on the topic")
        finally:
            await asyncio.to_thread(postgres.start)
        await eventually(world.stored_are(3_000), within_s=30)
        await eventually(lambda: consumer.lag() == 0, message="lag is 0")


async def test_a_stop_during_an_outage_is_quick(world: World, postgres: EmbeddedPostgres) -> None:
    try:
        async with world.carrying() as consumer:
            await eventually(lambda: consumer.lag() == 0, within_s=20)
            await asyncio.to_thread(postgres.stop)
            await world.send_insights(0, 30)
            await eventually(lambda: (consumer.lag() or 0) > 0)
    finally:
        await asyncio.to_thread(postgres.start)
    async with world.carrying():
        await eventually(world.stored_are(30), within_s=20)


async def test_a_broker_that_restarts_is_waited_for_and_one_that_is_away_does_not_hold_up_a_stop(
    world: World, kafka: EmbeddedKafka
) -> None:
    await world.send_insights(0, 300)
    try:
        async with world.carrying():
            await eventually(world.stored_are(300), within_s=20)
            await asyncio.to_thread(kafka.stop)
            await asyncio.to_thread(kafka.start)
            await world.send_insights(300, 330)
            await eventually(world.stored_are(330), within_s=30)
            await asyncio.to_thread(kafka.stop)
    finally:
        if not kafka.running:
            await asyncio.to_thread(kafka.start)


async def test_topics_made_anew_are_read_from_their_beginning(world: World) -> None:
    await world.send_insights(0, 300)
    async with world.carrying():
        await eventually(world.stored_are(300), within_s=20)
    await world.delete_topics()

    async def made() -> bool:
        await world.create_topics()
        async with world.admin() as admin:
            return set(world.topics) <= set(await admin.list_topics())

    await eventually(made, message="topics are there again")
    await world.send_insights(300, 330)
    async with world.carrying():
        await eventually(world.stored_are(330), within_s=20)


async def test_a_broker_that_is_away_at_the_start_is_told_in_one_sentence() -> None:
    consumer = SinkConsumer(
        client_options={"bootstrap_servers": "127.0.0.1:1"},
        group_id="nobody",
        readers={"t": read_insight},
        sink=MemorySink(),
        clock=SystemClock(),
    )
    with pytest.raises(BrokerUnavailableError, match=r"127\.0\.0\.1:1"):
        await consumer.run(asyncio.Event())
    assert consumer.lag() is None

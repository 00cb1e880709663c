from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from ubi_stream.errors import LocalServiceError
from ubi_stream.local import EmbeddedKafka

TOPIC = "things"


@pytest.fixture(scope="module")
def folder(server_data: Path) -> Path:
    return server_data / "own kafka, ü"


@pytest.fixture(scope="module")
def broker(folder: Path, session_servers: list[object]) -> Iterator[EmbeddedKafka]:
    """A broker that these tests may stop, kill and freeze."""
    with EmbeddedKafka(folder, heap_mb=256) as server:
        session_servers.append(server)
        yield server


@pytest.fixture
async def topic(broker: EmbeddedKafka) -> str:
    """A topic with two partitions; made by the first test that asks."""
    if not broker.running:
        await asyncio.to_thread(broker.start)
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        if TOPIC not in await admin.list_topics():
            await admin.create_topics([NewTopic(TOPIC, num_partitions=2, replication_factor=1)])
    finally:
        await admin.close()
    return TOPIC


async def send(broker: EmbeddedKafka, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)


async def read_all(broker: EmbeddedKafka, topic: str) -> list[bytes]:
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap) as consumer:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        values = []
        while await consumer.position(partition) < end:
            values.append((await consumer.getone()).value)
        return values


async def test_records_survive_a_restart_and_a_kill(broker: EmbeddedKafka, topic: str) -> None:
    address = broker.bootstrap
    before = await read_all(broker, topic)
    await send(broker, topic, b"one")
    await asyncio.to_thread(broker.stop)
    await asyncio.to_thread(broker.start)
    assert broker.bootstrap == address
    assert await read_all(broker, topic) == [*before, b"one"]
    await send(broker, topic, b"two")
    broker.kill()
    await asyncio.to_thread(broker.start)
    assert await read_all(broker, topic) == [*before, b"one", b"two"]
    await send(broker, topic, b"three")
    assert await read_all(broker, topic) == [*before, b"one", b"two", b"three"]


async def test_another_object_on_the_same_folder_goes_on_with_the_data(broker: EmbeddedKafka, topic: str) -> None:
    await send(broker, topic, b"kept")
    await asyncio.to_thread(broker.stop)
    async with EmbeddedKafka(broker.data_dir) as other:
        assert other.port != broker.port
        assert b"kept" in await read_all(other, topic)
    await asyncio.to_thread(broker.start)


async def test_a_group_gets_its_partitions_at_once(broker: EmbeddedKafka, topic: str) -> None:
    await send(broker, topic, b"grouped")
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.bootstrap, group_id="group", auto_offset_reset="earliest"
    )
    async with consumer:
        record = await asyncio.wait_for(consumer.getone(), 5)
        await consumer.commit()
    assert record.topic == topic


async def test_a_paused_broker_answers_nothing_until_it_is_resumed(broker: EmbeddedKafka, topic: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, request_timeout_ms=20_000) as producer:
        broker.pause()
        sending = asyncio.ensure_future(producer.send_and_wait(topic, b"late", partition=1))
        done, _ = await asyncio.wait([sending], timeout=0.5)
        assert not done
        broker.resume()
        assert (await sending).partition == 1


async def test_a_misspelt_topic_is_an_error(broker: EmbeddedKafka, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        (described,) = await admin.describe_topics(["misspelt"])
        assert described["error_code"] == UnknownTopicOrPartitionError.errno
        assert "misspelt" not in await admin.list_topics()
    finally:
        await admin.close()


def test_a_second_start_is_refused(broker: EmbeddedKafka) -> None:
    with pytest.raises(LocalServiceError, match=f"Kafka is already running on port {broker.port}"):
        broker.start()
    assert broker.running


def test_a_second_broker_on_the_same_folder_is_refused_and_the_first_goes_on(
    broker: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddedKafka, "lock_within_s", 0.1)
    before = broker.data_dir.joinpath("server.properties").read_bytes()
    with pytest.raises(LocalServiceError, match=r"Kafka's folder .* is used by a running server"):
        EmbeddedKafka(broker.data_dir).start()
    assert broker.running
    assert broker.data_dir.joinpath("server.properties").read_bytes() == before


def test_stop_leaves_no_process(broker: EmbeddedKafka) -> None:
    pids = broker.pids
    broker.stop()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert broker.pids == ()
    broker.stop()  # nothing happens the second time
    with pytest.raises(LocalServiceError, match="Kafka is not running"):
        broker.pause()
    broker.start()

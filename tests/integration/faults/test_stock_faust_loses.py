"""What stock Faust loses, and that we lose nothing: the same outage for both. Run it with every new version of Faust.

A broker that is away for longer than a delivery may take (`docs/faust.md`, row 2). Faust logs that its sends have
failed, and commits the events all the same.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.faults.breaking import broker_killed
from benchmarks.faults.engine import Input, run_scenario
from benchmarks.faults.run import Servers
from benchmarks.faults.scenarios import Scenario
from benchmarks.faults.stock_faust import DELIVERY_TIMEOUT_S, PARTITIONS
from support.waiting import eventually
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.local.process import ChildProcess, service_environment

pytestmark = pytest.mark.slow  # an outage twice, each with a start and a restart of the broker

ROOT = Path(__file__).resolve().parents[3]
EVENTS = 6_000
AWAY_S = 10.0
"""Time for everything that is on its way to fail, and for Faust to be told so."""


@pytest.fixture
def stock_worker(kafka: EmbeddedKafka, topic_prefix: str, tmp_path: Path) -> Iterator[ChildProcess]:
    """Faust as it comes."""
    worker = ChildProcess(
        "stock Faust",
        [sys.executable, "-m", "benchmarks.faults.stock_faust", kafka.bootstrap, topic_prefix],
        log_file=tmp_path / "stock.log",
        cwd=tmp_path,
        env={**service_environment(), "PYTHONPATH": str(ROOT)},
    )
    yield worker
    worker.kill()


@pytest.fixture
async def events(kafka: EmbeddedKafka, topic_prefix: str) -> list[bytes]:
    """Events on the topic `in`, and the empty topic `out`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(f"{topic_prefix}.{name}", PARTITIONS, 1) for name in ("in", "out")])
    finally:
        await admin.close()
    values = [str(number).encode() for number in range(EVENTS)]
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        for number, value in enumerate(values):
            await producer.send(f"{topic_prefix}.in", value, key=b"user %d" % (number % 300))
    return values


async def test_stock_faust_commits_events_whose_outputs_were_never_delivered(
    kafka: EmbeddedKafka, topic_prefix: str, events: Sequence[bytes], stock_worker: ChildProcess
) -> None:
    async with watching(kafka, topic_prefix) as watch:

        async def has_begun() -> bool:
            return await watch.delivered() > EVENTS // 10

        await eventually(has_begun, 60, "Faust sends events on")
        await away(kafka)

        async def has_committed_all() -> bool:
            return await watch.committed() == EVENTS

        await eventually(has_committed_all, 90, "Faust commits all events")
        delivered = await watch.values()
    assert stock_worker.running, "it noticed that sends had failed: look at docs/faust.md, row 2, again"
    assert set(delivered) < set(events)
    assert len(set(delivered)) < 0.95 * EVENTS  # typically a tenth arrives


async def test_here_the_same_outage_loses_nothing(kafka: EmbeddedKafka, postgres: EmbeddedPostgres) -> None:
    scenario = Scenario(
        "the same outage",
        "away for longer than a delivery may take",
        broker_killed,
        "shoppers",
        per_s=1_500,
        settings={"delivery_timeout_s": DELIVERY_TIMEOUT_S},
        context={"at": (0.1,), "away_s": AWAY_S},
    )
    result = await run_scenario(Servers(kafka, postgres), scenario, Input(events=EVENTS, seed=5))
    assert result.failure == ""
    assert result.clean, result.verdict
    assert result.exits[70] >= 1, result.exits  # it ended instead of committing, and was started again


async def away(kafka: EmbeddedKafka) -> None:
    """The broker is killed, and comes back after a while."""
    await asyncio.to_thread(kafka.kill)
    await asyncio.sleep(AWAY_S)
    await asyncio.to_thread(kafka.start)


class Watch:
    """Looks at the two topics from outside; it is no member of the group."""

    def __init__(self, consumer: AIOKafkaConsumer, prefix: str) -> None:
        self._consumer = consumer
        self._source = [TopicPartition(f"{prefix}.in", number) for number in range(PARTITIONS)]
        self._target = [TopicPartition(f"{prefix}.out", number) for number in range(PARTITIONS)]

    async def delivered(self) -> int:
        """Records on the topic `out`."""
        return sum((await self._consumer.end_offsets(self._target)).values())

    async def committed(self) -> int:
        """Events that count as done."""
        return sum([await self._consumer.committed(partition) or 0 for partition in self._source])

    async def values(self) -> list[bytes]:
        """What is on the topic `out`."""
        self._consumer.assign(self._target)
        await self._consumer.seek_to_beginning(*self._target)
        ends = await self._consumer.end_offsets(self._target)
        found: list[bytes] = []
        while any([await self._consumer.position(partition) < ends[partition] for partition in self._target]):
            for records in (await self._consumer.getmany(timeout_ms=500)).values():
                found += [record.value for record in records]
        return found


@asynccontextmanager
async def watching(kafka: EmbeddedKafka, prefix: str) -> AsyncIterator[Watch]:
    """A watch with a connection."""
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap, group_id=f"{prefix}-stock", enable_auto_commit=False
    ) as consumer:
        yield Watch(consumer, prefix)

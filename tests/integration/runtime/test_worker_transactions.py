"""Transactional producers: aborted events never were, and the marker behind a transaction is no record that waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import RecordsToDelete
from prometheus_client.parser import text_string_to_metric_families

from support.losing import admin_of
from support.running_ubi import RunningUbi
from support.topics import Offsets
from support.waiting import eventually
from support.workers import WorkerProcess, worker_environment
from ubi_stream.clock import SystemClock
from ubi_stream.kafka.client import client_options
from ubi_stream.operations.cluster import connected
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]
TRANSACTIONS, EACH = 5, 10
ABORTED = (1, 3)


async def transactions(settings: Settings) -> int:
    """Send some, abort some of them, the last one too; returns how many events are committed."""
    producer = AIOKafkaProducer(**client_options(settings), transactional_id=f"{settings.topic_prefix}-tx")
    await producer.start()
    try:
        for number in range(TRANSACTIONS):
            await producer.begin_transaction()
            for at in range(EACH):
                user = f"u{at % 6}"
                event = {
                    "event_id": f"{number}-{at}",
                    "event_time": SystemClock().now_ms(),
                    "event_type": "view",
                    "user_id": user,
                }
                await producer.send_and_wait(settings.events_topic, msgspec.json.encode(event), key=user.encode())
            await (producer.abort_transaction() if number in ABORTED else producer.commit_transaction())
    finally:
        await producer.stop()
    return (TRANSACTIONS - len(ABORTED)) * EACH


@contextmanager
def ubi(settings: Settings, folder: Path, *words: str) -> Iterator[RunningUbi]:
    running = RunningUbi(folder, list(words), worker_environment(settings))
    try:
        yield running
    finally:
        running.kill()


async def lags(worker: WorkerProcess, topic: str) -> list[float]:
    """The lag of each partition of a topic that the worker tells of."""
    async with aiohttp.ClientSession() as http, http.get(f"{worker.url}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    samples = [sample for family in families for sample in family.samples if sample.name == "ubi_lag_events"]
    return [sample.value for sample in samples if sample.labels["topic"] == topic]


async def test_the_end_of_a_transaction_is_no_record_that_waits(
    settings: Settings, make_worker: MakeWorker, tmp_path: Path
) -> None:
    worker = await make_worker().started()
    sent = await transactions(settings)

    async def counted() -> bool:
        return await worker.metric('ubi_events_total{event_type="view",outcome="accepted",pack="ecommerce"}') == sent

    async def caught_up() -> bool:
        found = await lags(worker, settings.events_topic)
        return found == [0.0] * settings.partitions

    await eventually(counted, 30, "all committed events are counted")
    await eventually(caught_up, 30, "nothing waits")
    async with Offsets(settings) as offsets:
        ends = await offsets.ends()
        assert sum(ends.values()) > sent, "markers and aborted records lie in the log"
    assert await worker.stop() == 0

    with ubi(settings, tmp_path, "doctor", "--json") as running:
        await asyncio.to_thread(running.wait, 60)
        assert "clock of the broker" in running.out

    with ubi(settings, tmp_path, "backup", str(tmp_path / "state.ubi"), "--json") as running:
        await asyncio.to_thread(running.wait, 60)
        assert running.process.returncode == 0, running.err
        assert json.loads(running.out)["unprocessed"] == 0
    with ubi(settings, tmp_path, "repartition", "--partitions", "6", "--json") as running:
        await asyncio.to_thread(running.wait, 60)
        assert running.process.returncode == 0, running.err
        assert json.loads(running.out)["backlog"] == 0


async def test_what_retention_removed_does_not_wait(settings: Settings, make_worker: MakeWorker) -> None:
    worker = await make_worker().started()
    sent = await transactions(settings)
    async with Offsets(settings) as offsets:
        await offsets.past(sent)
    assert await worker.stop() == 0
    tps = [TopicPartition(settings.events_topic, number) for number in range(settings.partitions)]
    async with connected(settings, SystemClock()) as cluster:
        ends = await cluster.ends(tps)
        assert await cluster.waiting(tps, {}) != {}
        async with admin_of(settings) as admin:
            await admin.delete_records({tp: RecordsToDelete(end) for tp, end in ends.items() if end})
        assert await cluster.waiting(tps, dict.fromkeys(tps, 1)) == {}

"""Kafka or Postgres go away under load and come back: nothing is lost, and scoring needs no database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from support.expected import assert_exact, offline
from support.topics import Offsets
from support.waiting import eventually
from support.workers import WorkerProcess, sending
from ubi_stream.data.records import ProducerRecord
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]
AWAY_S = 8.0


@asynccontextmanager
async def supervised(worker: WorkerProcess, codes: list[int]) -> AsyncIterator[None]:
    """Start a worker again whenever it ends, as a service manager would; note what it ended with."""

    async def supervise() -> None:
        while True:
            if not worker.running:
                codes.append(worker.exit_code or 0)
                worker.start()
            await asyncio.sleep(0.2)

    task = asyncio.create_task(supervise())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def status(worker: WorkerProcess, path: str, wanted: int) -> bool:
    found, _ = await worker.get(path)
    return found == wanted


async def test_a_broker_that_dies_and_comes_back_costs_time_and_nothing_else(
    settings: Settings, make_worker: MakeWorker, kafka: EmbeddedKafka, shop_events: list[ProducerRecord]
) -> None:
    events = shop_events[:4_000]
    worker = await make_worker().started()
    codes: list[int] = []
    async with supervised(worker, codes), sending(settings, events, per_s=1_000) as sent:
        async with Offsets(settings) as offsets:
            await offsets.past(1_000)
        kafka.kill()
        await eventually(lambda: status(worker, "/health/ready", 503), 10, "it says that it is not ready")
        await asyncio.sleep(AWAY_S)  # the length of the outage
        await asyncio.to_thread(kafka.start)
        assert await sent == len(events)
        async with Offsets(settings) as offsets:
            await offsets.all_committed(len(events))
        assert set(codes) <= {69, 70, 71, 72}
        await worker.ready()
        await assert_exact(settings, offline(settings, events))

    kafka.kill()
    try:
        await worker.stop(within_s=10)
        assert "Traceback" not in worker.log_file.read_text(encoding="utf-8")
    finally:
        await asyncio.to_thread(kafka.start)


async def test_scoring_goes_on_without_a_database_and_its_rows_come_later(
    settings: Settings, make_worker: MakeWorker, postgres: EmbeddedPostgres, shop_events: list[ProducerRecord]
) -> None:
    events = shop_events[:4_000]
    worker = await make_worker().started()
    async with Offsets(settings) as offsets, sending(settings, events, per_s=1_000) as sent:
        await offsets.past(500)
        await asyncio.to_thread(postgres.stop)
        try:
            assert await sent == len(events)
            await offsets.all_committed(len(events), within_s=20)
            assert worker.running
        finally:
            await asyncio.to_thread(postgres.start)
    await assert_exact(settings, offline(settings, events))
    assert await worker.stop() == 0

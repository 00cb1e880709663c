"""Starts on full tables with a backlog: the two ways in which Faust loses events, kept as tests for ever."""

from __future__ import annotations

from collections.abc import Callable

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from support.expected import assert_exact, offline
from support.workers import Offsets, WorkerProcess, send
from ubi_stream.replay.records import ProducerRecord
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]
STEP = 1_000


async def test_starts_with_a_backlog_and_starts_of_a_group_without_offsets_lose_nothing(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord]
) -> None:
    worker = make_worker()
    done = 0
    await worker.started()
    assert await worker.stop() == 0
    for without_offsets in (False, False, False, True, True):
        assert await send(settings, shop_events[done : done + STEP]) == STEP
        done += STEP
        if without_offsets:
            await forget_offsets(settings)
        await worker.started()
        async with Offsets(settings) as offsets:
            await offsets.all_committed(done, within_s=30)
        assert await worker.stop() == 0
    await assert_exact(settings, offline(settings, shop_events[:done]))
    assert not worker.logged("offsets_missing_in_log")


async def forget_offsets(settings: Settings) -> None:
    """Have the broker forget the group, as if it had never committed; the tables are full all the same."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.broker)
    await admin.start()
    try:
        ((_, error),) = (await admin._send_request(DeleteGroupsRequest([settings.app_id]))).results
        assert error == 0
    finally:
        await admin.close()

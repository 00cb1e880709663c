"""Starts on full tables with a backlog: the two ways in which Faust loses events, kept as tests for ever."""

from __future__ import annotations

from collections.abc import Callable

from support.expected import assert_exact, offline
from support.losing import forget_group
from support.topics import Offsets
from support.workers import WorkerProcess, send
from ubi_stream.data.records import ProducerRecord
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
            await forget_group(settings)
        await worker.started()
        async with Offsets(settings) as offsets:
            await offsets.all_committed(done, within_s=30)
        assert await worker.stop() == 0
    await assert_exact(settings, offline(settings, shop_events[:done]))
    assert not worker.logged("offsets_missing_in_log")


async def test_the_stock_transport_gives_the_same_and_says_that_it_is_no_choice(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord]
) -> None:
    worker = await make_worker(transport="stock").started()
    for done in (300, 600):
        assert await send(settings, shop_events[done - 300 : done]) == 300
        if done == 600:
            await worker.started()  # and finds a backlog
        async with Offsets(settings) as offsets:
            await offsets.all_committed(done, within_s=60)
        assert await worker.stop() == 0
    await assert_exact(settings, offline(settings, shop_events[:600]))
    assert len(worker.logged("stock_transport")) == 2

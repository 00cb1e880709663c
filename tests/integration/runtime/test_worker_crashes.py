"""A worker that is stopped or killed in the middle of a file leaves what one that is not leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import islice
from random import Random

import pytest

from support.expected import assert_exact, offline
from support.public_data import public_file
from support.waiting import eventually
from support.workers import Offsets, WorkerProcess, send
from ubi_stream.replay.records import ProducerRecord
from ubi_stream.replay.source import ReplaySource
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]
EVENTS = 6_000


@pytest.fixture(scope="module")
def shop_events() -> list[ProducerRecord]:
    with ReplaySource(public_file("rees46_2019-10-01.csv.gz"), "rees46") as source:
        return list(islice(source, EVENTS))


async def test_a_worker_stopped_in_the_middle_goes_on_where_it_was(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord]
) -> None:
    worker = await make_worker().started()
    async with Offsets(settings) as offsets:
        sending = asyncio.create_task(send(settings, shop_events, per_s=1_500))
        await eventually(lambda: _past(offsets, EVENTS // 3), 30, "a third is done")
        assert await worker.stop() == 0
        await worker.started()
        assert await sending == EVENTS
        await offsets.all_committed(EVENTS)
    assert await worker.stop() == 0
    await assert_exact(settings, offline(settings, shop_events))
    assert await _nothing_again(settings)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_worker_killed_at_random_changes_nothing(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord], seed: int
) -> None:
    chance = Random(seed)
    worker = await make_worker(instance_id="one").started()
    async with Offsets(settings) as offsets:
        sending = asyncio.create_task(send(settings, shop_events, per_s=1_000))
        for part in (1, 2):
            await eventually(lambda part=part: _past(offsets, EVENTS * part // 4), 40, f"part {part} is done")
            await asyncio.sleep(chance.uniform(0.0, 0.4))  # anywhere between two barriers
            worker.kill()
            await worker.started()
        assert await sending == EVENTS
        await offsets.all_committed(EVENTS)
    await assert_exact(settings, offline(settings, shop_events))


async def _past(offsets: Offsets, events: int) -> bool:
    return await offsets.events_committed() >= events


async def _nothing_again(settings: Settings) -> bool:
    async with Offsets(settings) as offsets:
        return await offsets.behind() == 0

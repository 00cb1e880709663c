"""A worker that is stopped or killed in the middle of a file leaves what one that is not leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from support.expected import assert_exact, offline
from support.topics import Offsets
from support.workers import WorkerProcess, send, sending
from ubi_stream.data.records import ProducerRecord
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]


async def test_a_stopped_worker_goes_on_where_it_was_and_the_same_file_again_changes_nothing(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord]
) -> None:
    count = len(shop_events)
    expected = offline(settings, shop_events)
    worker = await make_worker().started()
    async with Offsets(settings) as offsets, sending(settings, shop_events, per_s=2_000) as sent:
        await offsets.past(count // 3)
        assert await worker.stop() == 0
        assert await offsets.behind() > 0, "it was stopped in the middle"
        await worker.started()
        assert await sent == count
        await offsets.all_committed(count)
        await assert_exact(settings, expected)
        replayed = await worker.metric('ubi_events_total{event_type="any",outcome="replayed",pack="ecommerce"}')
        assert replayed == 0, "a stop leaves nothing to be done twice"

        assert await send(settings, shop_events) == count
        await offsets.all_committed(2 * count)
        await assert_exact(settings, expected)
        duplicates = await worker.metric('ubi_events_total{event_type="any",outcome="duplicate",pack="ecommerce"}')
        assert duplicates == count
    assert await worker.stop() == 0


@pytest.mark.parametrize("seed", [1])
async def test_a_worker_killed_at_random_changes_nothing(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord], seed: int
) -> None:
    chance = Random(seed)
    count = len(shop_events)
    worker = await make_worker(instance_id="one").started()
    async with Offsets(settings) as offsets, sending(settings, shop_events, per_s=1_200) as sent:
        for part in (1, 2):
            await offsets.past(count * part // 4)
            await asyncio.sleep(chance.uniform(0.0, 0.4))  # anywhere between two barriers
            worker.kill()
            await worker.started()
        assert await sent == count
        await offsets.all_committed(count)
    await assert_exact(settings, offline(settings, shop_events))


async def test_a_worker_with_its_states_on_disk_reads_only_what_is_not_there_after_a_kill_and_after_a_stop(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord], tmp_path: Path
) -> None:
    events = shop_events[:3_000]
    worker = await make_worker(instance_id="one", state_store="rocksdb", state_dir=tmp_path / "states").started()
    rival = make_worker("rival", state_store="rocksdb", state_dir=tmp_path / "states")
    rival.start()
    assert await rival.ended() == 64, "the folder is another worker's"
    async with Offsets(settings) as offsets, sending(settings, events, per_s=1_000) as sent:
        await offsets.past(1_000)
        worker.kill()
        await worker.started()
        assert await sent == len(events)
        await offsets.all_committed(len(events))
    assert await worker.stop() == 0
    await worker.started()
    expected = offline(settings, events)
    await assert_exact(settings, expected)
    opened = [line for line in worker.logged("state_store_opened") if "user_states" in line["folder"]]
    killed, stopped = opened[-8:-4], opened[-4:]  # of four partitions each
    assert all(line["kept"] for line in (*killed, *stopped))
    assert 0 < sum(line["position"] for line in killed) < sum(line["position"] for line in stopped)
    assert all(line["position"] == line["end"] for line in stopped), "a stop leaves nothing to be read"
    assert await worker.metric("ubi_users") == expected.run.users()

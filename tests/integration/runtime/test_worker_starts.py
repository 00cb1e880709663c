"""What a worker says and does when it can't start, or finds what is not its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.topics import Offsets, read_states
from support.waiting import eventually
from support.workers import WorkerProcess, send
from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.kafka.client import connect_admin
from ubi_stream.local.ports import free_port
from ubi_stream.packs.loader import load_pack
from ubi_stream.runtime.topics import ensure_topics
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]


@pytest.mark.parametrize("server", ["broker", "postgres_dsn"])
async def test_a_server_that_is_not_there_is_named_in_one_sentence(make_worker: MakeWorker, server: str) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}" if server == "broker" else f"postgresql://someone:secret@127.0.0.1:{port}/ubi"
    worker = make_worker(startup_timeout_s=1.5, **{server: address})
    worker.start()
    assert await worker.ended() == 69
    (sentence,) = [line["text"] for line in worker.log() if str(line.get("text")).startswith("error:")]
    assert str(port) in worker.log_tail()
    assert f"UBI_{server.upper()}" in sentence
    assert "Traceback" not in worker.log_tail()
    assert "secret" not in worker.log_tail()


async def test_a_worker_that_waits_for_a_server_can_be_stopped(make_worker: MakeWorker) -> None:
    worker = make_worker(startup_timeout_s=60.0, broker=f"127.0.0.1:{free_port()}")
    worker.start()
    await eventually(lambda: "can't be reached yet" in worker.log_tail(), 15, "it waits for the broker")
    assert await worker.stop(within_s=5) == 0


async def test_a_changed_number_of_partitions_is_refused(settings: Settings, make_worker: MakeWorker) -> None:
    admin = await connect_admin(settings, SystemClock())
    try:
        await ensure_topics(admin, settings, load_pack(settings.pack))
    finally:
        await admin.close()
    worker = make_worker(partitions=8)
    worker.start()
    assert await worker.ended() == 65
    assert "has 4 partitions, UBI_PARTITIONS says 8" in " ".join(worker.log_tail().split())
    assert "Traceback" not in worker.log_tail()


async def test_models_signed_with_another_key_start_fresh_and_states_are_kept(
    settings: Settings, make_worker: MakeWorker, shop_events: list[ProducerRecord]
) -> None:
    first = await make_worker("first").started()
    async with Offsets(settings) as offsets:
        await send(settings, shop_events[:2_000])
        await offsets.all_committed(2_000)
        assert await first.stop() == 0
        states = await read_states(settings)

        second = await make_worker("second", snapshot_key="another key").started()
        problems = 'ubi_snapshot_problems_total{reason="wrong_key_or_tampered"}'
        assert await second.metric(problems) == settings.partitions
        assert len(second.logged("models_not_restored_or_kept")) == settings.partitions
        assert await second.metric("ubi_users") == len(states) > 100
        assert await read_states(settings) == states

        await send(settings, shop_events[2_000:2_100])
        await offsets.all_committed(2_100)
    after = await read_states(settings)
    assert sum(state.events for state in after.values()) == 2_100
    assert await second.metric(problems) == settings.partitions
    assert await second.stop() == 0

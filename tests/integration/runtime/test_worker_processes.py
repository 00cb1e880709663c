"""`ubi worker --processes 2`: two workers under one roof, which share the partitions and end together."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil

from support.topics import Offsets, make_topics
from support.workers import WorkerProcess, send
from ubi_stream.data.records import ProducerRecord
from ubi_stream.local.ports import free_port
from ubi_stream.settings import Settings


async def test_two_processes_share_the_partitions_and_answer_for_each_other(
    settings: Settings, shop_events: list[ProducerRecord], tmp_path: Path
) -> None:
    await make_topics(settings)
    worker, second = two_processes(settings, tmp_path)
    try:
        await worker.started()
        await second.ready()
        async with Offsets(settings) as offsets:
            await send(settings, shop_events[:1_000])
            await offsets.all_committed(1_000)
        shares = [await one.metric("ubi_users") for one in (worker, second)]
        users = sorted({(record.key or b"").decode() for record in shop_events[:1_000]})
        assert all(shares)
        assert sum(shares) == len(users)
        for user in users[:20]:  # of either process
            for one in (worker, second):
                status, profile = await one.get(f"/api/v1/users/{user}")
                assert (status, profile["id"]) == (200, user)
        assert await worker.stop() == 0
    finally:
        end_all(worker)


async def test_the_end_of_one_process_is_that_of_all(settings: Settings, tmp_path: Path) -> None:
    """Nobody starts it again here: whoever watches the worker learns it from the exit status."""
    await make_topics(settings)
    worker, second = two_processes(settings, tmp_path)
    try:
        await worker.started()
        await second.ready()
        first, other = children(worker)
        first.kill()
        assert await worker.ended() == 128 + signal.SIGKILL
        assert not other.is_running()
    finally:
        end_all(worker)


def two_processes(settings: Settings, folder: Path) -> tuple[WorkerProcess, WorkerProcess]:
    """The worker, by its first process, and a handle to ask the second one, which nobody else starts."""
    port = free_port(in_a_row=2)
    worker = WorkerProcess(settings, folder, port=port, environment={"UBI_PROCESSES": "2"})
    return worker, _Second(settings, folder, port=port + 1, first=worker)


class _Second(WorkerProcess):
    """The second process: asked at its own port, alive while the first one's parent is."""

    def __init__(self, settings: Settings, folder: Path, *, port: int, first: WorkerProcess) -> None:
        super().__init__(settings, folder, port=port)
        self._first = first

    @property
    def running(self) -> bool:
        return self._first.running


def children(worker: WorkerProcess) -> list[psutil.Process]:
    """The processes of a worker."""
    assert worker.process is not None
    return psutil.Process(worker.process.pid).children()


def end_all(worker: WorkerProcess) -> None:
    """Kill it with its processes, if the test left them."""
    if worker.running:
        left = children(worker)
        worker.kill()
        for process in left:
            process.kill()
            process.wait()

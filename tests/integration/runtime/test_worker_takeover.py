"""A supervised worker that is killed goes on as soon as it is up again, however long the group would wait for it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from support.running_ubi import RunningUbi
from support.topics import Offsets, make_topics
from support.workers import send, worker_environment
from ubi_stream.data.records import ProducerRecord
from ubi_stream.local.ports import free_port
from ubi_stream.settings import Settings

SESSION_S = 90.0
WITHIN_S = 40.0
"""Typically 5 s; far from the session all the same."""


async def test_a_supervised_worker_goes_on_before_its_session_is_over(
    settings: Settings, shop_events: list[ProducerRecord], tmp_path: Path
) -> None:
    patient = {"UBI_SESSION_TIMEOUT_S": str(SESSION_S), "UBI_WEB_PORT": str(free_port())}
    await make_topics(settings)
    supervisor = RunningUbi(tmp_path, ["worker", "--supervise"], worker_environment(settings) | patient)
    try:
        async with Offsets(settings) as offsets:
            await send(settings, shop_events[:500])
            await offsets.all_committed(500)
            (worker,) = supervisor.descendants()
            worker.kill()
            await send(settings, shop_events[500:1_000])
            await offsets.all_committed(1_000, within_s=WITHIN_S)
        (again,) = supervisor.descendants()
        assert again.pid != worker.pid
        supervisor.signal(signal.SIGTERM)
        assert await asyncio.to_thread(supervisor.wait, 15) == 0
        assert not again.is_running()
    finally:
        end_all(supervisor)


def end_all(supervisor: RunningUbi) -> None:
    """Kill it and its worker, if the test left them."""
    if supervisor.process.poll() is None:
        workers = supervisor.descendants()
        supervisor.kill()
        for process in workers:
            process.kill()
            process.wait()

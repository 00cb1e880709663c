"""A tier of its own takes events while no worker runs, and a worker processes them when it is there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from support.topics import read_topic
from support.waiting import eventually
from support.workers import WorkerProcess
from ubi_stream.clock import SystemClock
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]


@pytest.fixture
def tier(settings: Settings, tmp_path: Path) -> Iterator[WorkerProcess]:
    process = WorkerProcess(settings, tmp_path, "serve", command=[sys.executable, "-m", "ubi_stream.cli.main", "serve"])
    yield process
    process.kill()


async def test_what_the_tier_took_is_there_for_a_worker_that_comes_later(
    tier: WorkerProcess, make_worker: MakeWorker
) -> None:
    await tier.started()
    event = {"event_id": "e-1", "event_time": SystemClock().now_ms(), "event_type": "view", "user_id": "u-1"}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{tier.url}/api/v1/events", json=event) as response:
            assert (response.status, (await response.json())["accepted"]) == (200, 1)
        async with http.get(f"{tier.url}/api/v1/users/u-1") as response:
            assert response.status == 404  # workers answer what is about a live state
    assert (await tier.get("/api/v1/insights"))[1] == {"insights": [], "next_cursor": None}
    assert await tier.metric('ubi_collector_events_total{dialect="own",outcome="accepted"}') == 1
    assert len(await read_topic(tier.settings, tier.settings.events_topic)) == 1
    assert await tier.stop() == 0
    worker = await make_worker(collector=False).started()

    async def processed() -> bool:
        status, profile = await worker.get("/api/v1/users/u-1")
        return status == 200 and bool(profile["counters"]["events"] == 1)

    await eventually(processed, 20.0, "the event is in the profile")
    async with aiohttp.ClientSession() as http, http.post(f"{worker.url}/api/v1/events", json=event) as response:
        assert response.status in (404, 413)

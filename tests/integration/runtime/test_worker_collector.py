"""Tracking SDKs of others drive the collector of a real worker: one profile, each event once, whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from support.topics import read_topic
from support.unreliable_proxy import UnreliableProxy, serving
from support.waiting import eventually
from support.workers import WorkerProcess, worker_environment
from ubi_stream.clock import SystemClock
from ubi_stream.sinks.database import create_pool

MakeWorker = Callable[..., WorkerProcess]
_TESTS = Path(__file__).resolve().parents[2]
_USER = "/api/v1/users/u-1"


async def sent_by_sdks(url: str, *names: str) -> dict[str, int]:
    """Let SDKs send their events; how many each of them sent."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "support.sdk_senders", url, "any-key", *names,
        env={**os.environ, "PYTHONPATH": f"{_TESTS}:{_TESTS.parent}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, error = await process.communicate()
    assert process.returncode == 0, error.decode()[-2_000:]
    found: dict[str, int] = json.loads(out)
    return found


async def events_of_profile(worker: WorkerProcess) -> int:
    status, profile = await worker.get(_USER)
    return int(profile["counters"]["events"]) if status == 200 else 0


async def test_one_user_through_all_sdks_is_one_profile_and_all_sent_again_changes_nothing(
    make_worker: MakeWorker,
) -> None:
    worker = await make_worker().started()
    async with serving(UnreliableProxy(lambda: worker.url, refuse_first=1, lose_first=1)) as proxy:
        sent = sum((await sent_by_sdks(proxy.url)).values())
        assert proxy.statuses[429] >= 5
        assert proxy.statuses[503] >= 5

        async def all_there() -> bool:
            return await events_of_profile(worker) == sent

        await eventually(all_there, 20.0, f"{sent} events are in the profile")
        # A worker that never heard of them, as after a restart: only the states know what came before.
        worker.kill()
        await worker.started()
        for method, path, headers, body in list(proxy.taken):
            assert (await proxy.send(method, path, headers, body))[0] == 200
        marker = {"event_id": "last", "event_time": now(), "event_type": "login", "user_id": "u-1"}
        assert (await post(worker, marker))["accepted"] == 1

        async def marker_there() -> bool:
            return await events_of_profile(worker) == sent + 1

        await eventually(marker_there, 20.0, "the newest event is in the profile")
    assert await worker.metric("ubi_users") == 1


async def test_sdks_lose_nothing_while_the_worker_is_killed(make_worker: MakeWorker) -> None:
    worker = await make_worker().started()
    async with serving(UnreliableProxy(lambda: worker.url)) as proxy:
        sending = asyncio.create_task(sent_by_sdks(proxy.url, "rudder", "snowplow", "cloudevents"))
        await eventually(lambda: proxy.statuses[200] >= 1, 20.0, "something was taken")
        worker.kill()
        await worker.started()
        sent = sum((await sending).values())

        async def all_there() -> bool:
            return await events_of_profile(worker) == sent

        await eventually(all_there, 20.0, f"{sent} events are in the profile")


async def test_the_command_shows_what_becomes_of_the_first_event_and_of_a_rejected_one(
    make_worker: MakeWorker,
) -> None:
    worker = await make_worker().started()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("UBI_")}
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ubi_stream.cli.main", "connect", "curl", "--user", "u-1", "--web-url", worker.url,
        "--broker", worker.settings.broker, "--wait", "30",
        env={**inherited, **worker_environment(worker.settings)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert command.stderr is not None
    sent = 0
    async with asyncio.timeout(60):
        while b"Waiting" not in await command.stderr.readline():
            pass
        ended = asyncio.create_task(command.communicate())
        while not ended.done():  # it reads from some time after it says so on
            event = {"event_time": now(), "user_id": "u-1", "properties": {"n": sent}}
            await post(worker, [event | {"event_type": "dance"}, event | {"event_type": "view"}])
            sent += 1
            await asyncio.wait([ended], timeout=1.0)
    out = (await ended)[0].decode()
    assert command.returncode == 0
    assert f"curl -X POST {worker.url}/api/v1/events" in out
    found = [line.split()[0] for line in out.splitlines() if line[:1].isalpha()]
    assert {"event", "profile", "rejected"} <= set(found)
    assert "unknown_event_type at $.event_type" in out
    assert "UBI_SOURCE_MAPPINGS" in out


async def test_dead_letters_are_listed_repaired_and_sent_once(make_worker: MakeWorker, database: str) -> None:
    worker = await make_worker().started()
    bad = [{"event_id": f"e-{n}", "event_time": now(), "event_type": "dance", "user_id": "u-1"} for n in range(3)]
    answer = await post(worker, [*bad, {"event_type": "view", "event_time": now()}])
    assert [one["reason"] for one in answer["rejected"]] == ["unknown_event_type"] * 3 + ["missing_field"]

    async def listed() -> bool:
        _, page = await worker.get("/api/v1/dead-letters?reason=unknown_event_type")
        return len(page["dead_letters"]) == 3

    await eventually(listed, 20.0, "the dead letters are in the database")
    repair: dict[str, Any] = {
        "reason": "unknown_event_type",
        "patch": [{"op": "replace", "path": "/event_type", "value": "view"}],
    }
    dry = await post(worker, repair | {"dry_run": True}, "/api/v1/dead-letters/resend")
    assert dry["counts"] == {"ready": 3}
    first, second = await asyncio.gather(*(post(worker, repair, "/api/v1/dead-letters/resend") for _ in range(2)))
    assert first["counts"].get("sent", 0) + second["counts"].get("sent", 0) >= 3
    third = await post(worker, {"ids": [one["id"] for one in dry["dead_letters"]]}, "/api/v1/dead-letters/resend")
    assert third["counts"] == {"already_sent": 3}

    async def all_there() -> bool:
        return await events_of_profile(worker) == 3

    await eventually(all_there, 20.0, "the repaired events are in the profile")
    status, one = await worker.get(f"/api/v1/dead-letters/{dry['dead_letters'][0]['id'].replace('/', '%2F')}")
    assert (status, one["value"]["event_type"]) == (200, "dance")
    pool = await create_pool(database, size=1, application="test")
    try:
        rows = await pool.fetch("SELECT reason FROM dead_letters WHERE resent_at IS NOT NULL")
        assert len(rows) == 3
    finally:
        pool.terminate()
    letters = await read_topic(worker.settings, worker.settings.dead_letters_topic)
    assert len(letters) == 4


def now() -> int:

    return SystemClock().now_ms()


async def post(worker: WorkerProcess, body: object, path: str = "/api/v1/events") -> Any:
    async with aiohttp.ClientSession() as http, http.post(f"{worker.url}{path}", json=body) as response:
        assert response.status == 200, await response.text()
        return await response.json()

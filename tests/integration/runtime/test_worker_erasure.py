"""A user is erased: rows and profile go, late events stay out, and a worker that is killed does not bring them back."""

from __future__ import annotations

import json
from collections.abc import Callable

import asyncpg

from support.topics import Offsets, read_states
from support.waiting import eventually
from support.workers import WorkerProcess, send
from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.operations.erasing import erase_user
from ubi_stream.settings import Settings

MakeWorker = Callable[..., WorkerProcess]
SECOND_MS, MINUTE_MS = 1_000, 60_000


def viewed(user: str, at_ms: int, number: int) -> ProducerRecord:
    """A step that took far too long, so that something is told of it."""
    event = {
        "event_id": f"{user}-{number}",
        "event_time": at_ms,
        "event_type": "view",
        "user_id": user,
        "properties": {"latency_ms": 9_000},
    }
    return ProducerRecord(user.encode(), json.dumps(event).encode())


async def rows_of(settings: Settings) -> dict[str, set[str]]:
    """Kinds of the insights in Postgres by user id."""
    connection = await asyncpg.connect(settings.postgres_dsn.get_secret_value())
    try:
        rows = await connection.fetch("SELECT user_id, kind FROM insights")
    finally:
        await connection.close()
    kinds: dict[str, set[str]] = {}
    for row in rows:
        kinds.setdefault(row["user_id"], set()).add(row["kind"])
    return kinds


async def visitors(settings: Settings) -> set[str]:
    """Users of whom Postgres has a visit."""
    connection = await asyncpg.connect(settings.postgres_dsn.get_secret_value())
    try:
        return {row["user_id"] for row in await connection.fetch("SELECT user_id FROM visits")}
    finally:
        await connection.close()


async def test_an_erased_user_is_gone_and_stays_gone(settings: Settings, make_worker: MakeWorker) -> None:
    worker = await make_worker(instance_id="one", partitions=1, erasure_key="a key").started()
    settings = worker.settings
    start_ms = SystemClock().now_ms() - 10 * MINUTE_MS
    # A visit that ended two hours before, and one that goes on.
    times_ms = [start_ms - 120 * MINUTE_MS, *(start_ms + n * SECOND_MS for n in range(20))]
    both = [viewed(user, at_ms, n) for n, at_ms in enumerate(times_ms) for user in ("u-gone", "u-here")]
    async with Offsets(settings) as offsets:
        await send(settings, both)

        async def both_are_stored() -> bool:
            users = {"u-gone", "u-here"}
            return users <= (await rows_of(settings)).keys() and users == await visitors(settings)

        await eventually(both_are_stored, 30, "insights and visits of both users are stored")

        answer = await erase_user("u-gone", settings, "erase/1", SystemClock(), within_s=30)
        evidence = answer["insight"]["evidence"]
        assert answer["insight"]["label"] == "erased"
        assert "state" in evidence["parts"]

        async def rows_are_gone() -> bool:
            kept = (await rows_of(settings)).keys() == {"u-here", evidence["erased_id"]}
            return kept and await visitors(settings) == {"u-here"}

        await eventually(rows_are_gone, 20, "the user's rows are deleted")
        assert (await rows_of(settings))[evidence["erased_id"]] == {"erasure"}
        status, _ = await worker.get("/api/v1/users/u-gone")
        assert status == 404
        assert await worker.metric('ubi_erasures_total{pack="ecommerce"}') == 1

        worker.kill()
        await worker.started()
        await send(settings, [viewed("u-gone", start_ms + MINUTE_MS, 30), viewed("u-here", start_ms + MINUTE_MS, 30)])
        await offsets.all_committed(45)
        dropped = 'ubi_events_total{event_type="any",outcome="erased",pack="ecommerce"}'
        assert await worker.metric(dropped) == 1
        assert (await worker.get("/api/v1/users/u-gone"))[0] == 404
        assert (await worker.get("/api/v1/users/u-here"))[0] == 200
        await eventually(rows_are_gone, 20, "and no row came back")
    assert (await read_states(settings, "user")).keys() == {"u-here"}
    assert "u-gone" not in worker.log_tail()
    assert await worker.stop() == 0

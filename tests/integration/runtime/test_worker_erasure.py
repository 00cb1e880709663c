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
        "properties": {"latency_ms": 9_000, "note": "mail bob@example.com", "password": "hunter2"},
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


async def erased_by_api(worker: WorkerProcess, *, records: int) -> None:
    """What the views do for a person who asks; `records` had an address and a password in them."""

    async def everything_is_counted() -> bool:
        _, report = await worker.get("/api/v1/privacy/report")
        found = {(one["property"], one["rule"], one["action"]): one["records"] for one in report["found"]}
        return found == dict.fromkeys([("note", "email", "mask"), ("password", "secret", "mask")], records)

    await eventually(everything_is_counted, 20, "personal data is counted once a record, over the crash too")
    status, export = await worker.get("/api/v1/users/u-here/export")
    assert status == 200
    assert export["complete"]
    assert {row["user_id"] for table in ("insights", "visits") for row in export[table]} == {"u-here"}
    assert export["state"]["events"] > 20
    status, erasure = await worker.delete("/api/v1/users/u-here")
    assert (status, erasure["status"]) == (202, "pending")

    async def receipt_is_there() -> bool:
        status, found = await worker.get(f"/api/v1/erasures/{erasure['erasure_id']}")
        return status == 200 and found["status"] == "done" and found["receipt"]["label"] == "erased"

    await eventually(receipt_is_there, 20, "the receipt is stored")

    async def nothing_is_kept() -> bool:
        return (await worker.get("/api/v1/users/u-here/export"))[0] == 404

    await eventually(nothing_is_kept, 20, "visits and recommendations are deleted too")
    assert (await worker.get("/api/v1/erasures/0-0"))[0] == 404


async def test_an_erased_user_is_gone_and_stays_gone(settings: Settings, make_worker: MakeWorker) -> None:
    worker = await make_worker(instance_id="one", partitions=1, erasure_key="a key").started()
    settings = worker.settings
    start_ms = SystemClock().now_ms() - 10 * MINUTE_MS
    # A visit that ended two hours before, and one that goes on. One user waits too long, the other one is a bot.
    before_ms = start_ms - 120 * MINUTE_MS
    waits = [start_ms + n * SECOND_MS for n in range(20)]
    hurries = [start_ms + n * SECOND_MS // 10 for n in range(60)]
    both = [viewed("u-gone", at_ms, n) for n, at_ms in enumerate([before_ms, *waits])]
    both += [viewed("u-here", at_ms, n) for n, at_ms in enumerate([before_ms, *hurries])]
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
        await offsets.all_committed(len(both) + 3)
        dropped = 'ubi_events_total{event_type="any",outcome="erased",pack="ecommerce"}'
        assert await worker.metric(dropped) == 1
        assert (await worker.get("/api/v1/users/u-gone"))[0] == 404
        assert (await worker.get("/api/v1/users/u-here"))[0] == 200
        await eventually(rows_are_gone, 20, "and no row came back")
        await erased_by_api(worker, records=len(both) + 2)

    async def no_state_is_left() -> bool:
        return not await read_states(settings, "user")

    await eventually(no_state_is_left, 20, "the next barrier writes the tombstones of states")
    assert "u-gone" not in worker.log_tail()
    assert await worker.stop() == 0

"""Rows that are too old go, a day of them at a time; what is younger, and what outlives, stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from support.sink_rows import (
    DEAD_LETTERS,
    INSIGHTS,
    START,
    VISITS,
    WINDOWS,
    dead_letter_row,
    insight_row,
    stretch,
    visit_row,
    window_row,
)
from ubi_stream.clock import ManualClock, SystemClock
from ubi_stream.packs.retention import Retention
from ubi_stream.sinks import retention as module
from ubi_stream.sinks.database import create_pool
from ubi_stream.sinks.migrations import migrate
from ubi_stream.sinks.postgres import PostgresSink
from ubi_stream.sinks.retention import keep_retention, run_retention

NOW = START + timedelta(days=100)
ALL = Retention(insights=40, visits=40, dead_letters=40, windows=40, audit=40)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    """A database with a row of each table for each of a hundred days."""
    await migrate(database)
    sink = PostgresSink(database, clock=SystemClock())
    days = [START + timedelta(days=number) for number in range(100)]
    insights = [insight_row(number, at=at) for number, at in enumerate(days)]
    receipt = insight_row(100, at=START, kind="erasure", user_id="hash")
    await sink.write(stretch(INSIGHTS, 0, 101, *insights, receipt))
    visits = [visit_row(n, n, session_start=at, session_end=at) for n, at in enumerate(days)]
    await sink.write(stretch(VISITS, 0, 100, *visits))
    windows = [window_row(n, 1, pane_start=at) for n, at in enumerate(days)]
    total = window_row(100, 7, pane_start=START - timedelta(days=9_000), pane_ms=0, measure="personal_data")
    await sink.write(stretch(WINDOWS, 0, 101, *windows, total))
    await sink.write(stretch(DEAD_LETTERS, 0, 1, dead_letter_row(0)))
    await sink.close()
    pool = await create_pool(database, size=2, application="test")
    for at in days:
        await pool.execute("INSERT INTO audit VALUES ($1, 'key', 'admin', 'read', '/', NULL, 'r', 200)", at)
    yield pool
    await pool.close()


async def counts(pool: asyncpg.Pool) -> dict[str, int]:
    tables = ("insights", "visits", "window_counts", "dead_letters", "audit")
    return {table: await pool.fetchval(f"SELECT count(*) FROM {table}") for table in tables}


async def test_what_is_too_old_goes_and_nothing_else(pool: asyncpg.Pool) -> None:
    before = await counts(pool)
    planned = await run_retention(pool, ALL, NOW, dry_run=True)
    assert await counts(pool) == before
    removed = await run_retention(pool, ALL, NOW)
    assert removed == planned
    assert removed is not None
    assert {one.table: one.rows for one in removed} == {
        "insights": 60, "visits": 60, "window_counts": 60, "dead_letters": 1, "audit": 60,
    }  # fmt: skip
    kept = await counts(pool)
    assert kept == {"insights": 41, "visits": 40, "window_counts": 41, "dead_letters": 0, "audit": 40}
    assert await pool.fetchval("SELECT min(at) FROM audit") == NOW - timedelta(days=40)  # just as old is not too old
    assert await pool.fetchval("SELECT count(*) FROM insights WHERE kind = 'erasure'") == 1
    assert await pool.fetchval("SELECT count FROM window_counts WHERE pane_ms = 0") == 7
    again = await run_retention(pool, ALL, NOW)
    assert again is not None
    assert not any(one.rows for one in again)


async def test_what_has_no_days_is_kept(pool: asyncpg.Pool) -> None:
    before = await counts(pool)
    assert await run_retention(pool, Retention(), NOW) == []
    removed = await run_retention(pool, Retention(visits=1), NOW)
    assert [one.table for one in removed or ()] == ["visits"]
    assert await counts(pool) == before | {"visits": 1}


async def test_one_process_at_a_time(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as other:
        await other.fetchval("SELECT pg_advisory_lock($1)", module._LOCK_KEY)
        assert await run_retention(pool, ALL, NOW) is None
        await other.fetchval("SELECT pg_advisory_unlock($1)", module._LOCK_KEY)
    assert await run_retention(pool, ALL, NOW) is not None


async def test_a_worker_does_it_by_itself_and_a_database_that_is_away_is_asked_again(
    pool: asyncpg.Pool,
) -> None:
    pauses: list[float] = []

    class DoneError(Exception):
        pass

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            await pool.execute("ALTER TABLE audit RENAME TO moved")
        if len(pauses) == 3:
            await pool.execute("ALTER TABLE moved RENAME TO audit")
        if len(pauses) == 4:
            raise DoneError

    removed: list[tuple[str, int]] = []
    clock = ManualClock(int(NOW.timestamp() * 1000))
    with pytest.raises(DoneError):
        await keep_retention(
            pool, Retention(audit=40), clock, lambda table, rows: removed.append((table, rows)), sleep=sleep
        )
    assert pauses == [300, 86_400, 3_600, 86_400]
    assert removed == [("audit", 60), ("audit", 0)]

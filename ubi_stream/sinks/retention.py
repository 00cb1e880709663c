"""Deletes rows that are older than a pack says they are kept, a day of them at a time, by one worker at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import asyncpg
import msgspec
import structlog
from asyncpg.pool import PoolConnectionProxy

from ubi_stream.clock import Clock
from ubi_stream.packs.retention import Retention
from ubi_stream.sinks.database import DATABASE_ERRORS, sqlstate

EVERY_S: Final = 86_400.0
_FIRST_AFTER_S: Final = 300.0
"""A worker that starts has other things to do, and one that starts again and again must not delete each time."""
_AGAIN_AFTER_S: Final = 3_600.0
_SLICE: Final = timedelta(days=1)
_LOCK_KEY: Final = 7_025_803_041_977_344_002
"""Another number than that of migrations; no other program of the database may take it."""
_log = structlog.get_logger("ubi_stream.retention")


class _Table(NamedTuple):
    """A table, the time that its rows are as old as, and which of them are kept whatever their age."""

    name: str
    at: str
    unless: str = "false"


_TABLES: Final = {
    "insights": _Table("insights", "at", "kind = 'erasure'"),
    "visits": _Table("visits", "session_end"),
    "recommendations": _Table("recommendations", "at"),
    "dead_letters": _Table("dead_letters", "coalesce(at, recorded_at)"),
    "windows": _Table("window_counts", "pane_start", "pane_ms = 0"),
    "audit": _Table("audit", "at"),
}


class Removed(msgspec.Struct, frozen=True):
    """Rows of one table that are older than `before`: deleted, or to be deleted."""

    table: str
    days: float
    before: datetime
    rows: int


async def run_retention(
    pool: asyncpg.Pool, retention: Retention, now: datetime, *, dry_run: bool = False
) -> list[Removed] | None:
    """Delete what is too old; None where another process is at it.

    Parameters
    ----------
    dry_run
        Delete nothing, only count.
    """
    async with pool.acquire() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY):
            return None
        try:
            found: list[Removed] = []
            for key, table in _TABLES.items():
                days: float | None = getattr(retention, key)
                if days is None:
                    continue
                before = now - timedelta(days=days)
                rows = await (_count(connection, table, before) if dry_run else _delete(connection, table, before))
                found.append(Removed(table.name, days, before, rows))
            return found
        finally:
            await connection.fetchval("SELECT pg_advisory_unlock($1)", _LOCK_KEY)


async def keep_retention(
    pool: asyncpg.Pool,
    retention: Retention,
    clock: Clock,
    on_removed: Callable[[str, int], None],
    *,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Delete once a day, for ever; first some minutes after the start. A database that is away is asked again."""
    pause_s = _FIRST_AFTER_S
    while any(days is not None for days in retention.model_dump().values()):
        await sleep(pause_s)
        try:
            removed = await run_retention(pool, retention, datetime.fromtimestamp(clock.now_ms() / 1000, UTC))
        except DATABASE_ERRORS as error:
            _log.warning("retention_failed", code=sqlstate(error))
            pause_s = _AGAIN_AFTER_S
            continue
        pause_s = EVERY_S
        for one in removed or ():
            on_removed(one.table, one.rows)
            _log.info("retention", table=one.table, rows=one.rows, days=one.days)


async def _count(connection: PoolConnectionProxy, table: _Table, before: datetime) -> int:
    count: int = await connection.fetchval(
        f"SELECT count(*) FROM {table.name} WHERE {table.at} < $1 AND NOT ({table.unless})", before
    )
    return count


async def _delete(connection: PoolConnectionProxy, table: _Table, before: datetime) -> int:
    """Delete a day of rows at a time: a transaction that holds a month would hold up writers."""
    deleted = 0
    where = f"{table.at} < $1 AND NOT ({table.unless})"
    while True:
        oldest: datetime | None = await connection.fetchval(
            f"SELECT min({table.at}) FROM {table.name} WHERE {where}", before
        )
        if oldest is None:
            return deleted
        status: str = await connection.execute(f"DELETE FROM {table.name} WHERE {where}", min(oldest + _SLICE, before))
        deleted += int(status.rpartition(" ")[2])

"""Insights, visits, window counts and the index of dead letters in Postgres, each exactly once.

One transaction holds a batch's rows and the next offset of every partition it came from, so a crash at any moment
leaves both or neither. The offset's row is locked first: of two writers of one partition (a rebalance while a batch
was on its way) the second sees what the first has stored, and leaves it out.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import TypeVar

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy

from ubi_stream.clock import Clock
from ubi_stream.sinks.base import (
    InsightRow,
    RejectedRow,
    Row,
    SinkBatch,
    SinkBehindError,
    TopicPartition,
    VisitErasureRow,
    WriteResult,
)
from ubi_stream.sinks.database import (
    CONNECT_TIMEOUT_S,
    DATABASE_ERRORS,
    backoff_s,
    create_pool,
    is_poison,
    is_retriable,
    parse_target,
    sqlstate,
)
from ubi_stream.sinks.erasure import Owned, after_erasures, records_after_erasures
from ubi_stream.sinks.staging import (
    DEAD_LETTERS,
    INSIGHTS,
    RECOMMENDATIONS,
    REFUSED,
    VISITS,
    WINDOW_COUNTS,
    StagedTable,
)

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)

_LOG_INTERVAL_S = 10.0

# A partition seen for the first time, or of a topic made anew, starts where the batch starts.
_LOCK_OFFSETS = """
INSERT INTO sink_offsets AS stored (topic, partition, epoch, next_offset)
SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::bigint[])
ON CONFLICT (topic, partition) DO UPDATE SET
    next_offset = CASE WHEN stored.epoch = excluded.epoch THEN stored.next_offset ELSE excluded.next_offset END,
    epoch = excluded.epoch
RETURNING topic, partition, next_offset
"""

_ADVANCE_OFFSETS = """
UPDATE sink_offsets AS stored SET next_offset = reached.next_offset, updated_at = now()
FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS reached (topic, partition, next_offset)
WHERE stored.topic = reached.topic AND stored.partition = reached.partition AND reached.next_offset > stored.next_offset
"""

_NEXT_OFFSETS = """
SELECT stored.topic, stored.partition, stored.next_offset
FROM sink_offsets AS stored
JOIN unnest($1::text[], $2::integer[], $3::text[]) AS wanted (topic, partition, epoch) USING (topic, partition, epoch)
"""

_FORGET_OFFSETS = """
DELETE FROM sink_offsets AS stored USING unnest($1::text[], $2::integer[]) AS made_anew (topic, partition)
WHERE stored.topic = made_anew.topic AND stored.partition = made_anew.partition
"""

_ERASE = """
DELETE FROM insights USING unnest($1::text[], $2::text[]) AS erased (entity, user_id)
WHERE insights.entity = erased.entity AND insights.user_id = erased.user_id
"""

_ERASE_RECORDS = """
DELETE FROM {table} USING unnest($1::text[], $2::text[]) AS erased (entity, user_id)
WHERE {table}.entity = erased.entity AND {table}.user_id = erased.user_id
"""

_ENSURE_PARTITIONS = "SELECT ensure_insights_partition(moment) FROM unnest($1::timestamptz[]) AS moment"


class PostgresSink:
    """An `InsightSink` over a database that `migrations.migrate` has brought up to date.

    Waits out whatever time or an operator will mend (see `database.is_retriable`), with growing pauses and a log line
    every ten seconds. A row that the database can never take is found by bisection, left out, listed in
    `dead_letters` in the same transaction, and handed back.

    Parameters
    ----------
    dsn
        Where to write. Nothing is connected before the first call.
    epochs
        Name of each topic's incarnation (its id on Kafka, say): offsets stored under another name count as absent.
    pool_size
        Most connections at one time; one is enough for one consumer.
    statement_timeout_s
        Longest time of one statement in seconds.
    """

    def __init__(
        self,
        dsn: str,
        *,
        clock: Clock,
        epochs: Mapping[str, str] | None = None,
        pool_size: int = 2,
        statement_timeout_s: float = 30.0,
    ) -> None:
        self._dsn = dsn
        self._clock = clock
        self._epochs = epochs or {}
        self._pool_size = pool_size
        self._statement_timeout_s = statement_timeout_s
        self._pool: asyncpg.Pool | None = None
        self._months: set[tuple[int, int]] = set()
        self._next_log_s = 0.0

    async def close(self) -> None:
        """Give the connections back; those that don't answer within a second are dropped."""
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        try:
            await asyncio.wait_for(pool.close(), 1.0)
        except TimeoutError:
            pool.terminate()

    async def write(self, batch: SinkBatch) -> WriteResult:
        return await self._until_done(lambda connection: self._write_once(connection, batch))

    async def next_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        topics, numbers = _columns(partitions)
        epochs = [self._epochs.get(topic, "") for topic in topics]
        rows = await self._until_done(lambda connection: connection.fetch(_NEXT_OFFSETS, topics, numbers, epochs))
        return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def forget(self, partitions: Collection[TopicPartition]) -> None:
        topics, numbers = _columns(partitions)
        await self._until_done(lambda connection: connection.execute(_FORGET_OFFSETS, topics, numbers))

    async def _until_done(self, work: Callable[[PoolConnectionProxy], Awaitable[_T]]) -> _T:
        attempt = 0
        while True:
            try:
                if self._pool is None:
                    self._pool = await create_pool(
                        self._dsn,
                        size=self._pool_size,
                        application="ubi-sink",
                        init=_prepare,
                        statement_timeout_s=self._statement_timeout_s,
                    )
                async with self._pool.acquire(timeout=CONNECT_TIMEOUT_S) as connection:
                    result = await work(connection)
            except DATABASE_ERRORS as error:
                if not is_retriable(error):
                    raise
                self._report_outage(sqlstate(error), attempt)
            else:
                if attempt:
                    _log.info("database_back", database=str(parse_target(self._dsn)), attempts=attempt)
                return result
            await asyncio.sleep(backoff_s(attempt, salt=os.getpid()))
            attempt += 1

    def _report_outage(self, code: str, attempt: int) -> None:
        now_s = self._clock.monotonic_s()
        if attempt and now_s < self._next_log_s:
            return
        self._next_log_s = now_s + _LOG_INTERVAL_S
        _log.warning("database_unavailable", database=str(parse_target(self._dsn)), code=code, attempts=attempt + 1)

    async def _write_once(self, connection: PoolConnectionProxy, batch: SinkBatch) -> WriteResult:
        await self._ensure_months(connection, batch.insights)
        async with connection.transaction():
            stored = await self._lock_offsets(connection, batch.starts)
            rejected: list[RejectedRow] = []
            fresh, erased = after_erasures(_fresh(batch.insights, stored))
            if erased:
                await connection.execute(_ERASE, [one.entity for one in erased], [one.user_id for one in erased])
            insights = await _insert(connection, INSIGHTS, fresh, rejected)
            windows_by_identity = {row.identity: row for row in _fresh(batch.windows, stored)}  # the last one counts
            windows = await _insert(connection, WINDOW_COUNTS, list(windows_by_identity.values()), rejected)
            visits = await _insert_records(connection, VISITS, _fresh(batch.visits, stored), rejected)
            given = _fresh(batch.recommendations, stored)
            recommendations = await _insert_records(connection, RECOMMENDATIONS, given, rejected)
            dead_letters = await _insert(connection, DEAD_LETTERS, _fresh(batch.dead_letters, stored), rejected)
            if rejected:
                await REFUSED.insert(connection, rejected)
            topics, numbers = _columns(batch.next_offsets)
            await connection.execute(_ADVANCE_OFFSETS, topics, numbers, list(batch.next_offsets.values()))
        return WriteResult(insights, dead_letters, windows, visits, recommendations, tuple(rejected))

    async def _ensure_months(self, connection: PoolConnectionProxy, rows: Sequence[InsightRow]) -> None:
        """Make the months that are new to this process, apart from the transaction: making one locks the table."""
        missing = {(row.at.year, row.at.month): row.at for row in rows}
        for month in self._months & missing.keys():
            del missing[month]
        if missing:
            await connection.execute(_ENSURE_PARTITIONS, list(missing.values()))
            self._months |= missing.keys()

    async def _lock_offsets(
        self, connection: PoolConnectionProxy, starts: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        ordered = sorted(starts)  # every writer locks in the same order, so none waits for another in a circle
        topics, numbers = _columns(ordered)
        epochs = [self._epochs.get(topic, "") for topic in topics]
        rows = await connection.fetch(_LOCK_OFFSETS, topics, numbers, epochs, [starts[one] for one in ordered])
        stored = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        for partition, start in starts.items():
            if stored[partition] < start:
                raise SinkBehindError(f"{partition.topic}-{partition.partition} is stored to less than {start}")
        return stored


_R = TypeVar("_R", bound=Row)


def _fresh(rows: Sequence[_R], stored: Mapping[TopicPartition, int]) -> list[_R]:
    return [row for row in rows if row.position.offset >= stored[row.position.topic_partition]]


async def _insert_records(
    connection: PoolConnectionProxy,
    table: StagedTable[Owned],
    rows: Sequence[Owned | VisitErasureRow],
    rejected: list[RejectedRow],
) -> int:
    """Delete the rows of erased users, then store the records that came since; how many were new or replaced."""
    kept, gone = records_after_erasures(rows)
    if gone:
        erase = _ERASE_RECORDS.format(table=table.name)
        await connection.execute(erase, [one.entity for one in gone], [one.user_id for one in gone])
    return await _insert(connection, table, kept, rejected)


async def _insert(
    connection: PoolConnectionProxy, table: StagedTable[_R], rows: Sequence[_R], rejected: list[RejectedRow]
) -> int:
    """Store rows, returning how many were new or replaced; halving finds those that can't be, for `rejected`."""
    if not rows:
        return 0
    try:
        async with connection.transaction():  # a savepoint: a refused half leaves the other one alone
            return await table.insert(connection, rows)
    except (asyncpg.PostgresError, ValueError, OverflowError) as error:
        if not is_poison(error):
            raise
        if len(rows) == 1:
            rejected.append(RejectedRow(rows[0], sqlstate(error)))
            return 0
    half = len(rows) // 2
    first = await _insert(connection, table, rows[:half], rejected)
    return first + await _insert(connection, table, rows[half:], rejected)


def _columns(partitions: Collection[TopicPartition]) -> tuple[list[str], list[int]]:
    return [one.topic for one in partitions], [one.partition for one in partitions]


async def _prepare(connection: asyncpg.Connection) -> None:
    for table in (INSIGHTS, WINDOW_COUNTS, VISITS, RECOMMENDATIONS, DEAD_LETTERS):
        await connection.execute(table.create_staging)

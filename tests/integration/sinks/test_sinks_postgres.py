"""The Postgres sink when the world is not well: outages, poison, writers side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable

import asyncpg
import pytest

from support.sink_rows import (
    INSIGHTS,
    START,
    WINDOWS,
    insight_id,
    insight_record,
    insight_row,
    insights_stretch,
    stretch,
    window_row,
)
from support.waiting import eventually
from ubi_stream.clock import SystemClock
from ubi_stream.local import EmbeddedPostgres
from ubi_stream.sinks.base import Position, Row, SinkBatch, TopicPartition
from ubi_stream.sinks.decode import read_insight
from ubi_stream.sinks.migrations import migrate
from ubi_stream.sinks.postgres import PostgresSink

PARTITION = TopicPartition(INSIGHTS, 0)


@pytest.fixture
async def migrated(database: str) -> str:
    await migrate(database)
    return database


@pytest.fixture
async def sink(migrated: str) -> AsyncIterator[PostgresSink]:
    sink = PostgresSink(migrated, clock=SystemClock(), statement_timeout_s=1.0)
    yield sink
    await sink.close()


async def fetch(dsn: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def stored_numbers(dsn: str) -> list[int]:
    return [row[0] for row in await fetch(dsn, "SELECT source_offset FROM insights ORDER BY 1")]


async def test_every_row_is_there_after_restarts_of_the_server(
    postgres: EmbeddedPostgres, migrated: str, sink: PostgresSink
) -> None:
    written = 0
    enough = asyncio.Event()

    async def write_all() -> None:
        nonlocal written
        while not enough.is_set():
            await sink.write(insights_stretch(written, written + 50))
            written += 50

    writing = asyncio.create_task(write_all())

    async def more() -> None:
        goal = written + 500
        await eventually(lambda: written > goal or writing.done(), within_s=30, message="rows are written")

    try:
        for end in (postgres.stop, postgres.kill):
            await more()
            await asyncio.to_thread(end)
            await asyncio.to_thread(postgres.start)
        await more()
        enough.set()
        await asyncio.wait_for(writing, 30)
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        if not postgres.running:
            postgres.start()
    assert await stored_numbers(migrated) == list(range(written))
    assert await sink.next_offsets([PARTITION]) == {PARTITION: written}


async def test_a_write_that_is_cancelled_during_an_outage_leaves_nothing(
    postgres: EmbeddedPostgres, migrated: str, sink: PostgresSink
) -> None:
    await sink.write(insights_stretch(0, 10))
    await asyncio.to_thread(postgres.stop)
    try:
        writing = asyncio.create_task(sink.write(insights_stretch(10, 20)))
        _, unfinished = await asyncio.wait({writing}, timeout=0.3)
        assert unfinished
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    finally:
        await asyncio.to_thread(postgres.start)
    assert await stored_numbers(migrated) == list(range(10))
    assert (await sink.write(insights_stretch(10, 20))).insights == 10


async def test_a_statement_that_hangs_on_a_lock_is_tried_again(migrated: str, sink: PostgresSink) -> None:
    activity = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ubi-sink' AND"

    async def hangs() -> bool:
        return [row[0] for row in await fetch(migrated, f"{activity} wait_event_type = 'Lock'")] == [1]

    blocker = await asyncpg.connect(migrated)
    try:
        await blocker.execute("BEGIN; LOCK TABLE insights")
        writing = asyncio.create_task(sink.write(insights_stretch(0, 10)))
        for _ in range(2):
            await eventually(hangs, message="the write hangs")
            await eventually(lambda: _not(hangs()), message="the write gave up its statement")
    finally:
        await blocker.close()
    assert (await asyncio.wait_for(writing, 20)).insights == 10


async def _not(answer: Awaitable[bool]) -> bool:
    return not await answer


@pytest.mark.parametrize(
    ("poison", "code"),
    [
        (insight_row(333, evidence="{"), "22P02"),
        (insight_row(333, evidence='{"a": 1e999999}'), "22003"),
        (insight_row(333, label="a\0b"), "22021"),
        (insight_row(333, label="\ud800"), "UnicodeEncodeError"),
        (insight_row(333, source_offset=2**63), "OverflowError"),
        (insight_row(333, user_id="".join(str(insight_id(number)) for number in range(999))), "54000"),
        (insight_row(333, kind=None), "23502"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_row_that_can_not_be_stored_is_set_aside_and_blocks_nothing(
    migrated: str, sink: PostgresSink, poison: Row, code: str
) -> None:
    rows = [poison if number == 333 else insight_row(number) for number in range(1_000)]
    batch = stretch(INSIGHTS, 0, 1_000, *rows)
    result = await sink.write(batch)
    assert result.insights == 999
    assert [(one.row, one.code) for one in result.rejected] == [(poison, code)]
    assert await stored_numbers(migrated) == [number for number in range(1_000) if number != 333]
    assert await sink.next_offsets([PARTITION]) == {PARTITION: 1_000}
    refused = await fetch(migrated, "SELECT source_topic, source_offset, reason, message FROM dead_letters")
    assert [tuple(row) for row in refused] == [
        (INSIGHTS, 333, "processing_error", f"The database refused this record ({code})")
    ]
    assert (await sink.write(batch)).rejected == ()


async def test_a_record_with_nul_and_emoji_is_stored(migrated: str, sink: PostgresSink) -> None:
    value = insight_record(0, label="a\0\N{GRINNING FACE}", evidence={"text": "\0"})
    row = read_insight(value, Position(INSIGHTS, 0, 0))
    assert (await sink.write(stretch(INSIGHTS, 0, 1, row))).insights == 1
    stored = await fetch(migrated, "SELECT label, evidence->>'text' FROM insights")
    assert tuple(stored[0]) == ("a\ufffd\N{GRINNING FACE}", "\ufffd")


async def test_writers_side_by_side_store_each_row_once_and_the_last_count(migrated: str) -> None:
    def batch(start: int) -> SinkBatch:
        end = start + 20
        counts = [window_row(offset, offset) for offset in range(start, end)]
        partitions = {PARTITION: (start, end), TopicPartition(WINDOWS, 0): (start, end)}
        return SinkBatch(
            starts={one: at[0] for one, at in partitions.items()},
            next_offsets={one: at[1] for one, at in reversed(partitions.items())},
            insights=tuple(insight_row(number) for number in range(start, end)),
            windows=tuple(counts),
        )

    sinks = [PostgresSink(migrated, clock=SystemClock()) for _ in range(4)]

    async def write(sink: PostgresSink) -> int:
        return sum([(await sink.write(batch(start))).insights for start in range(0, 400, 10)])

    stored = await asyncio.gather(*map(write, sinks))
    await asyncio.gather(*(sink.close() for sink in sinks))
    assert sum(stored) == 410
    assert await stored_numbers(migrated) == list(range(410))
    assert [row[0] for row in await fetch(migrated, "SELECT count FROM window_counts")] == [409]


async def test_a_topic_made_anew_starts_again(migrated: str, sink: PostgresSink) -> None:
    # The same offsets, but of another topic of this name: its epoch differs.
    await sink.write(insights_stretch(0, 100))
    anew = PostgresSink(migrated, clock=SystemClock(), epochs={INSIGHTS: "made anew"})
    try:
        assert await anew.next_offsets([PARTITION]) == {}
        rows = [insight_row(number, id=insight_row(1_000 + number).id) for number in range(5)]
        assert (await anew.write(stretch(INSIGHTS, 0, 5, *rows))).insights == 5
        assert await anew.next_offsets([PARTITION]) == {PARTITION: 5}
    finally:
        await anew.close()


async def test_a_database_without_the_tables_is_no_outage(database: str) -> None:
    sink = PostgresSink(database, clock=SystemClock())
    with pytest.raises(asyncpg.UndefinedTableError):
        await asyncio.wait_for(sink.write(insights_stretch(0, 1)), 10)
    await sink.close()


async def test_rows_of_many_months_go_to_partitions_of_their_own(migrated: str, sink: PostgresSink) -> None:
    rows = [insight_row(number, at=START.replace(year=2010 + number, month=1 + number)) for number in range(12)]
    await sink.write(stretch(INSIGHTS, 0, 12, *rows))
    found = await fetch(migrated, "SELECT DISTINCT tableoid::regclass::text FROM insights ORDER BY 1")
    assert [row[0] for row in found] == [f"insights_{2010 + number}_{1 + number:02}" for number in range(12)]

"""What the views read, from a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec
import pytest

from support.sink_rows import INSIGHTS, START, WINDOWS, insight_row, insights_stretch, stretch, window_row
from ubi_stream.clock import SystemClock
from ubi_stream.sinks.database import create_pool
from ubi_stream.sinks.migrations import migrate
from ubi_stream.sinks.postgres import PostgresSink
from ubi_stream.sinks.queries import (
    FunnelStep,
    InsightFilter,
    SegmentShare,
    conversion_funnel,
    insights_of,
    newest_insights,
    segment_distribution,
)


@pytest.fixture
async def sink(database: str) -> AsyncIterator[PostgresSink]:
    await migrate(database)
    sink = PostgresSink(database, clock=SystemClock())
    yield sink
    await sink.close()


@pytest.fixture
async def pool(database: str, sink: PostgresSink) -> AsyncIterator[asyncpg.Pool]:
    pool = await create_pool(database, size=2, application="test")
    yield pool
    await pool.close()


async def all_pages(pool: asyncpg.Pool, wanted: InsightFilter, limit: int) -> list[UUID]:
    ids: list[UUID] = []
    cursor = None
    while True:
        page = await newest_insights(pool, wanted, limit=limit, cursor=cursor)
        assert len(page.insights) <= limit
        ids += [insight.id for insight in page.insights]
        if page.next_cursor is None:
            return ids
        cursor = page.next_cursor


async def test_pages_hold_every_insight_once_newest_first_though_many_share_a_moment(
    sink: PostgresSink, pool: asyncpg.Pool
) -> None:
    rows = [insight_row(number, at=START + timedelta(milliseconds=number // 10)) for number in range(95)]
    await sink.write(stretch(INSIGHTS, 0, 95, *rows))
    expected = [row.id for row in sorted(rows, key=lambda row: (-row.at.timestamp(), row.id))]
    for limit in (1, 7, 94, 95, 96):
        assert await all_pages(pool, InsightFilter(), limit) == expected


async def test_insights_that_arrive_between_two_pages_change_nothing_in_them(
    sink: PostgresSink, pool: asyncpg.Pool
) -> None:
    await sink.write(insights_stretch(0, 20))
    first = await newest_insights(pool, InsightFilter(), limit=10)
    await sink.write(insights_stretch(20, 40))
    second = await newest_insights(pool, InsightFilter(), limit=10, cursor=first.next_cursor)
    assert [insight.source_offset for insight in first.insights] == list(range(19, 9, -1))
    assert [insight.source_offset for insight in second.insights] == list(range(9, -1, -1))
    assert second.next_cursor is None


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (InsightFilter(kind="risk"), [3]),
        (InsightFilter(severity="high"), [4]),
        (InsightFilter(user_id="u1"), [8, 1]),
        (InsightFilter(pack="payments"), [5]),
        (InsightFilter(entity="terminal"), [6]),
        (InsightFilter(since=START + timedelta(seconds=7)), [9, 8, 7]),
        (InsightFilter(until=START + timedelta(seconds=2)), [1, 0]),
        (InsightFilter(user_id="u1", until=START + timedelta(seconds=8)), [1]),
        (InsightFilter(kind="unheard of"), []),
    ],
)
async def test_filters(sink: PostgresSink, pool: asyncpg.Pool, wanted: InsightFilter, numbers: list[int]) -> None:
    special = {
        3: insight_row(3, kind="risk"),
        4: insight_row(4, severity="high"),
        5: insight_row(5, pack="payments"),
        6: insight_row(6, entity="terminal"),
    }
    await sink.write(stretch(INSIGHTS, 0, 10, *(special.get(number, insight_row(number)) for number in range(10))))
    page = await newest_insights(pool, wanted)
    assert [insight.source_offset for insight in page.insights] == numbers


async def test_one_entity_s_insights_and_their_json(sink: PostgresSink, pool: asyncpg.Pool) -> None:
    await sink.write(stretch(INSIGHTS, 0, 2, insight_row(0), insight_row(1, user_id="u0", entity="terminal")))
    page = await insights_of(pool, "u0", entity="user")
    assert [insight.source_offset for insight in page.insights] == [0]
    document = msgspec.json.decode(msgspec.json.encode(page))
    insight = document["insights"][0]
    assert insight["explanation"] == {"summary": insight["summary"], "contributions": []}
    assert insight["evidence"] == {"views": 12}
    assert insight["at"] == "2019-10-01T00:00:00Z"


async def test_counts_add_up_over_partitions_and_panes(sink: PostgresSink, pool: asyncpg.Pool) -> None:
    # pane        00:00      00:05     00:10 (left out)
    # partition 0 bouncer 6  browser 3 bouncer 100
    # partition 1 bouncer 1
    later, last = START + timedelta(minutes=5), START + timedelta(minutes=10)
    rows = [
        window_row(0, 6),
        window_row(1, 3, key="browser", pane_start=later),
        window_row(2, 100, pane_start=last),
        window_row(3, 50, pack="payments"),
        window_row(4, 50, measure="events"),
    ]
    await sink.write(stretch(WINDOWS, 0, 5, *rows))
    await sink.write(stretch(WINDOWS, 0, 1, window_row(0, 1, partition=1), partition=1))
    assert await segment_distribution(pool, pack="ecommerce", since=START, until=last) == [
        SegmentShare("bouncer", 7, 0.7),
        SegmentShare("browser", 3, 0.3),
    ]
    assert await segment_distribution(pool, pack="finance", since=START, until=last) == []


async def test_funnel_by_segment(sink: PostgresSink, pool: asyncpg.Pool) -> None:
    rows = [
        window_row(0, 9, key="bouncer/view", measure="conversion_funnel"),
        window_row(1, 2, key="bouncer/purchase", measure="conversion_funnel", amount=12.5),
    ]
    await sink.write(stretch(WINDOWS, 0, 2, *rows))
    steps = await conversion_funnel(pool, pack="ecommerce", since=START, until=START + timedelta(minutes=5))
    assert steps == [FunnelStep("bouncer", "view", 9, 0.0), FunnelStep("bouncer", "purchase", 2, 12.5)]

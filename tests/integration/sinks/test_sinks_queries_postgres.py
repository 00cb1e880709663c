"""What the views read, from a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec
import pytest

from support.sink_rows import (
    INSIGHTS,
    START,
    VISITS,
    WINDOWS,
    insight_row,
    insights_stretch,
    stretch,
    visit_row,
    window_row,
)
from ubi_stream.clock import SystemClock
from ubi_stream.sinks.database import create_pool
from ubi_stream.sinks.migrations import migrate
from ubi_stream.sinks.postgres import PostgresSink
from ubi_stream.sinks.queries import (
    InsightFilter,
    insights_of,
    newest_insights,
)
from ubi_stream.sinks.segment_queries import (
    ClassShare,
    SegmentShare,
    class_distribution,
    class_funnel,
    newest_pane,
    segment_shares,
)
from ubi_stream.sinks.visit_queries import StoredVisit, VisitFilter, newest_visits

FIVE_MINUTES = timedelta(minutes=5)


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
        (InsightFilter(label="odd"), [9]),
        (InsightFilter(session_id="s9"), [9]),
        (InsightFilter(segment="at_risk", min_confidence=0.95), [9]),
        (InsightFilter(min_confidence=0.96), []),
        (InsightFilter(trace_id="t9"), [9]),
    ],
)
async def test_filters(sink: PostgresSink, pool: asyncpg.Pool, wanted: InsightFilter, numbers: list[int]) -> None:
    special = {
        3: insight_row(3, kind="risk"),
        4: insight_row(4, severity="high"),
        5: insight_row(5, pack="payments"),
        6: insight_row(6, entity="terminal"),
        9: insight_row(
            9, label="odd", trace_id="t9", confidence=0.95, evidence='{"session_id": "s9", "segment": "at_risk"}'
        ),
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
    assert await segment_shares(pool, pack="ecommerce", since=START, until=last, width=FIVE_MINUTES) == [
        SegmentShare("bouncer", 7, 0.7),
        SegmentShare("browser", 3, 0.3),
    ]
    assert await segment_shares(pool, pack="finance", since=START, until=last, width=FIVE_MINUTES) == []


async def test_panes_of_another_width_are_not_added(sink: PostgresSink, pool: asyncpg.Pool) -> None:
    hour = timedelta(hours=1)
    rows = [window_row(0, 4), window_row(1, 3, pane_ms=3_600_000), window_row(2, 0, pane_ms=3_600_000, key="browser")]
    await sink.write(stretch(WINDOWS, 0, 3, *rows))
    assert await newest_pane(pool, pack="ecommerce", width=hour) == START
    shares = await segment_shares(pool, pack="ecommerce", since=START, until=START + hour, width=hour)
    assert shares == [SegmentShare("bouncer", 3, 1.0)]


async def test_the_funnel_of_engaged_shoppers(sink: PostgresSink, pool: asyncpg.Pool) -> None:
    """150 visits of 142 users: 2,850 views, 420 carts, 180 purchases for 85,432.50."""
    rows = [
        visit_row(
            number,
            number,
            user_id=f"shopper {number % 142}",
            behavior_segment="engaged_shopper",
            session_end=START + timedelta(minutes=number),
            view_count=19,
            cart_count=3 if number < 120 else 2,
            purchase_count=2 if number < 30 else 1,
            total_amount=569.55,
        )
        for number in range(150)
    ]
    await sink.write(stretch(VISITS, 0, 150, *rows, visit_row(150, 200)))
    (funnel,) = [
        row
        for row in await class_funnel(pool, pack="ecommerce", since=START, until=START + timedelta(days=1))
        if row.behavior_segment == "engaged_shopper"
    ]
    assert (funnel.total_sessions, funnel.unique_users, funnel.total_views) == (150, 142, 2850)
    assert (funnel.total_carts, funnel.total_purchases, funnel.total_revenue) == (420, 180, 85432.50)
    assert (funnel.view_to_cart_rate, funnel.cart_to_purchase_rate, funnel.overall_conversion_rate) == (
        14.74,
        42.86,
        6.32,
    )
    assert (funnel.avg_revenue_per_session, funnel.avg_order_value) == (569.55, 474.63)


async def test_visits_by_class_over_time_with_their_users_and_money(sink: PostgresSink, pool: asyncpg.Pool) -> None:
    ends = [1, 2, 4, 6]
    rows = [
        visit_row(n, n, user_id=f"u{n % 2}", session_end=START + timedelta(minutes=end), total_amount=n or None)
        for n, end in enumerate(ends)
    ]
    await sink.write(stretch(VISITS, 0, 4, *rows))
    found = await class_distribution(
        pool, pack="ecommerce", since=START, until=START + timedelta(minutes=10), bucket=FIVE_MINUTES
    )
    assert found == [
        ClassShare(START, START + FIVE_MINUTES, "browser", 3, 2, 3.0),
        ClassShare(START + FIVE_MINUTES, START + 2 * FIVE_MINUTES, "browser", 1, 1, 3.0),
    ]


async def visits_of_pages(pool: asyncpg.Pool, wanted: VisitFilter, limit: int) -> list[StoredVisit]:
    visits: list[StoredVisit] = []
    cursor = None
    while True:
        page = await newest_visits(pool, wanted, limit=limit, cursor=cursor)
        visits += page.visits
        if page.next_cursor is None:
            return visits
        cursor = page.next_cursor


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (VisitFilter(), [3, 2, 1, 0]),
        (VisitFilter(user_id="u2"), [2]),
        (VisitFilter(segment="bouncer"), [1]),
        (VisitFilter(session_id="s3"), [3]),
        (VisitFilter(since=START + timedelta(hours=1, minutes=10), until=START + timedelta(hours=3)), [2, 1]),
        (VisitFilter(pack="finance"), []),
    ],
)
@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_pages_of_visits(
    sink: PostgresSink, pool: asyncpg.Pool, wanted: VisitFilter, numbers: list[int], limit: int
) -> None:
    rows = [visit_row(n, n, behavior_segment="bouncer" if n == 1 else "browser") for n in range(4)]
    await sink.write(stretch(VISITS, 0, 4, *rows))
    visits = await visits_of_pages(pool, wanted, limit)
    assert [visit.user_session for visit in visits] == [f"s{number}" for number in numbers]

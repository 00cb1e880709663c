"""Insights and segments as the API gives them, from rows that the sink wrote to a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

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
from support.waiting import eventually
from support.web_worker import Client, MemoryWorker, path_of
from ubi_stream.clock import SystemClock
from ubi_stream.local import EmbeddedPostgres
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.sinks.database import create_pool
from ubi_stream.sinks.migrations import migrate
from ubi_stream.sinks.postgres import PostgresSink
from ubi_stream.web.app import create_web


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


@pytest.fixture
async def client(pool: asyncpg.Pool) -> AsyncIterator[Client]:
    worker = MemoryWorker()
    app = create_web(worker, pool, Metrics(worker.pack), SystemClock(), query_timeout_s=1.0)
    async with TestClient(TestServer(app)) as client:
        yield client


async def get(client: Client, path: str, status: int = 200) -> dict[str, Any]:
    response = await client.get(path)
    document: dict[str, Any] = await response.json(content_type=None)
    assert response.status == status, document
    return document


async def all_offsets(client: Client, path: str) -> list[int]:
    """Source offsets of all pages, as a caller would follow them."""
    offsets: list[int] = []
    page = await get(client, path)
    while True:
        offsets += [insight["source_offset"] for insight in page["insights"]]
        if page["next_cursor"] is None:
            return offsets
        page = await get(client, f"{path}&cursor={quote(page['next_cursor'], safe='')}")


async def test_pages_of_all_insights_newest_first(client: Client, sink: PostgresSink) -> None:
    await sink.write(insights_stretch(0, 25))
    assert await all_offsets(client, "/api/v1/insights?limit=10") == list(range(24, -1, -1))


async def test_an_insight_is_told_whole(client: Client, sink: PostgresSink) -> None:
    await sink.write(insights_stretch(0, 1))
    insight = (await get(client, "/api/v1/insights"))["insights"][0]
    del insight["recorded_at"]
    assert insight == {
        "id": str(insight_row(0).id),
        "at": "2019-10-01T00:00:00Z",
        "kind": "segment",
        "entity": "user",
        "user_id": "u0",
        "pack": "ecommerce",
        "label": "engaged_shopper",
        "score": 0.7,
        "confidence": 0.9,
        "severity": "info",
        "summary": "Looks at many things, buys some",
        "explanation": {"summary": "Looks at many things, buys some", "contributions": []},
        "evidence": {"views": 12},
        "model_version": "m1",
        "trace_id": None,
        "source_topic": "t.events",
        "source_partition": 0,
        "source_offset": 0,
    }


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("kind=risk", [3]),
        ("severity=high", [4]),
        ("user_id=u1", [8, 1]),
        ("pack=payments", [5]),
        ("entity=terminal", [6]),
        ("since=2019-10-01T00:00:07Z", [9, 8, 7]),
        ("until=2019-10-01T02:00:02%2B02:00", [1, 0]),
        ("user_id=u1&until=2019-10-01T00:00:08", [1]),
        ("user_id=nobody", []),
        ("kind=anomaly", []),
        ("label=odd", [9]),
        ("session_id=s9", [9]),
        ("segment=at_risk", [9]),
        ("segment=new", []),
        ("trace_id=t9", [9]),
        ("min_confidence=0.95", [9]),
        ("min_confidence=1", []),
    ],
)
async def test_filters(client: Client, sink: PostgresSink, query: str, numbers: list[int]) -> None:
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
    assert await all_offsets(client, f"/api/v1/insights?{query}") == numbers


@pytest.mark.parametrize("user", ["u/1", "ü %2F", "'; DROP TABLE insights --"])
async def test_the_insights_of_one_entity(client: Client, sink: PostgresSink, user: str) -> None:
    rows = [insight_row(0, user_id=user), insight_row(1), insight_row(2, user_id=user, entity="terminal")]
    await sink.write(stretch(INSIGHTS, 0, 3, *rows))
    assert await all_offsets(client, str(path_of(user, "/insights?limit=1"))) == [0]
    with_filter = f"/api/v1/insights?user_id={quote(user, safe='')}&entity=user"
    assert await all_offsets(client, with_filter) == [0]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/insights?limit=501",
        "/api/v1/insights?limit=0",
        "/api/v1/insights?kind=gossip",
        "/api/v1/insights?severity=fatal",
        "/api/v1/insights?cursor=bogus",
        "/api/v1/insights?cursor=" + "f" * 32,
        "/api/v1/insights?since=now",
        "/api/v1/insights?since=2019-10-02&until=2019-10-01",
        "/api/v1/insights?user=u1",
        "/api/v1/users/a%00b/insights",
        "/api/v1/users/u1/insights?entity=planet",
        "/api/v1/segments?entity=%00",
        "/api/v1/segments?until=0001-01-01T00:00:00%2B01:00",
    ],
)
async def test_what_makes_no_sense_is_a_400(client: Client, path: str) -> None:
    assert (await get(client, path, status=400))["type"] == "urn:ubi:problem:invalid-request"


async def test_the_ends_of_time_are_answered(client: Client) -> None:
    for query in ("until=0001-01-01T00:00:00Z", "since=9999-12-31T23:59:59Z", "since=0001-01-01"):
        assert (await get(client, f"/api/v1/segments?{query}"))["distribution"] == []
        assert (await get(client, f"/api/v1/insights?{query}"))["insights"] == []


async def test_segments_of_the_newest_day_that_has_any(client: Client, sink: PostgresSink) -> None:
    # day    two days before   of START
    #        bouncer 100       bouncer 8, browser 2
    day: dict[str, Any] = {"pane_ms": 86_400_000}
    rows = [
        window_row(0, 100, pane_start=START - timedelta(days=2), **day),
        window_row(1, 8, **day),
        window_row(2, 2, key="browser", **day),
        window_row(3, 5),
        window_row(4, 50, pack="payments", **day),
    ]
    await sink.write(stretch(WINDOWS, 0, 5, *rows))
    assert await get(client, "/api/v1/segments") == {
        "pack": "ecommerce",
        "entity": "user",
        "since": "2019-10-01T00:00:00Z",
        "until": "2019-10-02T00:00:00Z",
        "bucket": "1d",
        "distribution": [
            {"segment": "bouncer", "count": 8, "share": 0.8},
            {"segment": "browser", "count": 2, "share": 0.2},
        ],
    }
    earlier = await get(client, "/api/v1/segments?since=2019-09-29T00:00:00Z&until=2019-09-29T00:05:00Z")
    assert [(share["segment"], share["count"]) for share in earlier["distribution"]] == [("bouncer", 100)]
    other = await get(client, "/api/v1/segments?pack=payments")
    assert [share["count"] for share in other["distribution"]] == [50]
    short = await get(client, "/api/v1/segments?bucket=5m")
    assert [share["count"] for share in short["distribution"]] == [5]


async def test_what_is_empty_before_there_is_anything(client: Client) -> None:
    for path, member in (("", "distribution"), ("/distribution", "distribution"), ("/funnel", "funnel")):
        document = await get(client, f"/api/v1/segments{path}")
        assert (document[member], document["until"]) == ([], None)
    assert await get(client, "/api/v1/visits") == {"visits": [], "next_cursor": None}
    assert (await get(client, "/api/v1/visits/s1", status=404))["type"] == "urn:ubi:problem:unknown-visit"


async def test_a_visit_by_its_session_and_as_the_old_view_has_it(client: Client, sink: PostgresSink) -> None:
    again = visit_row(1, 5, user_session="s1", total_events=9)
    await sink.write(stretch(VISITS, 0, 3, visit_row(0, 1), again, visit_row(2, 2)))
    assert (await get(client, "/api/v1/visits/s1"))["total_events"] == 9
    assert (await get(client, "/api/v1/visits/s1?user_id=u1"))["total_events"] == 5
    page = await get(client, "/api/segments/user_behavior_segments?user_id=u2")
    (row,) = page["visits"]
    assert list(row) == [
        "user_id",
        "user_session",
        "behavior_segment",
        "segment_color",
        "segment_score",
        "session_start",
        "session_end",
        "session_duration_minutes",
        "total_events",
        "view_count",
        "cart_count",
        "purchase_count",
        "unique_products",
        "unique_categories",
        "total_amount",
        "engagement_rate",
        "cart_conversion_rate",
        "purchase_conversion_rate",
        "overall_conversion_rate",
        "recommendations",
        "action_priority",
        "processing_time",
    ]
    assert (row["user_session"], row["recommendations"], row["total_amount"]) == ("s2", ["Show reviews"], None)


async def test_the_distribution_and_the_funnel_of_the_newest_day(client: Client, sink: PostgresSink) -> None:
    rows = [visit_row(n, n, total_amount=2.5) for n in range(30)]
    await sink.write(stretch(VISITS, 0, 30, *rows))
    hours = await get(client, "/api/v1/segments/distribution")
    assert sum(share["session_count"] for share in hours["distribution"]) == 24
    days = await get(client, "/api/v1/segments/distribution?bucket=1d&since=2019-10-01T00:00:00Z")
    assert [(s["window_start"], s["session_count"], s["unique_users"]) for s in days["distribution"]] == [
        ("2019-10-01T00:00:00Z", 24, 7),
        ("2019-10-02T00:00:00Z", 6, 6),
    ]
    (funnel,) = (await get(client, "/api/v1/segments/funnel"))["funnel"]
    assert (funnel["total_sessions"], funnel["total_revenue"], funnel["view_to_cart_rate"]) == (24, 60.0, 25.0)
    too_many = "/api/v1/segments/distribution?bucket=5m&since=2019-01-01&until=2019-10-01"
    assert "10000 buckets" in (await get(client, too_many, status=400))["detail"]


async def test_users_by_segment_over_time(client: Client, sink: PostgresSink) -> None:
    assert (await get(client, "/api/v1/segments/history"))["history"] == []
    hours = [
        window_row(n, 3 + n, key="active", pane_ms=3_600_000, pane_start=START + timedelta(hours=12 * n))
        for n in range(4)
    ]
    other = [window_row(4, 2, key="active", pane_ms=3_600_000, pane_start=START + timedelta(hours=36), partition=1)]
    await sink.write(stretch(WINDOWS, 0, 4, *hours))
    await sink.write(stretch(WINDOWS, 4, 5, *other, partition=1))
    past = await get(client, "/api/v1/segments/history")
    assert (past["since"], past["until"]) == ("2019-10-01T13:00:00Z", "2019-10-02T13:00:00Z")
    assert [(row["window_start"], row["segment"], row["count"]) for row in past["history"]] == [
        ("2019-10-02T00:00:00Z", "active", 5),
        ("2019-10-02T12:00:00Z", "active", 8),
    ]
    whole = await get(client, "/api/v1/segments/history?since=2019-10-01&until=2019-10-01T12:00:00Z")
    assert [row["count"] for row in whole["history"]] == [3]
    too_many = "/api/v1/segments/history?bucket=5m&since=2019-01-01&until=2019-10-01"
    assert "10000 buckets" in (await get(client, too_many, status=400))["detail"]


async def test_numbers_of_insights_by_severity(client: Client, sink: PostgresSink) -> None:
    assert (await get(client, "/api/v1/insights/counts"))["counts"] == []
    rows = [insight_row(n, severity="high" if n % 3 == 0 else "low") for n in range(6)]
    rows += [
        insight_row(6, severity="high", at=START + timedelta(hours=30)),
        insight_row(7, severity="high", pack="payments"),
        insight_row(8, kind="label", at=START + timedelta(days=90)),  # an answer, at the time of the request
        insight_row(9, id=insight_row(0).id, severity="high", at=START + timedelta(minutes=2)),  # of another partition
    ]
    await sink.write(stretch(INSIGHTS, 0, 10, *rows))
    day = await get(client, "/api/v1/insights/counts")
    assert (day["since"], day["until"]) == ("2019-10-01T06:00:00.001000Z", "2019-10-02T06:00:00.001000Z")
    assert [(row["window_start"], row["severity"], row["count"]) for row in day["counts"]] == [
        ("2019-10-02T06:00:00Z", "high", 1)
    ]
    minutes = await get(client, "/api/v1/insights/counts?bucket=1m&since=2019-10-01&until=2019-10-02")
    assert [(row["window_end"], row["severity"], row["count"]) for row in minutes["counts"]] == [
        ("2019-10-01T00:01:00Z", "high", 2),
        ("2019-10-01T00:01:00Z", "low", 4),
    ]
    too_many = "/api/v1/insights/counts?bucket=1m&since=2019-01-01&until=2019-10-01"
    assert "10000 buckets" in (await get(client, too_many, status=400))["detail"]


async def test_ready_with_a_database(client: Client) -> None:
    document = await get(client, "/health/ready")
    assert document["status"] == "ready"
    assert [check["name"] for check in document["checks"]] == ["broker", "recovery", "database"]


async def test_a_database_that_went_away_is_a_503_until_it_is_back(
    client: Client, sink: PostgresSink, postgres: EmbeddedPostgres
) -> None:
    await sink.write(insights_stretch(0, 1))
    postgres.stop()
    try:
        for path in ("/api/v1/insights", "/api/v1/users/u0/insights", "/api/v1/segments"):
            document = await get(client, path, status=503)
            assert document["type"] == "urn:ubi:problem:database-unavailable"
            assert document["detail"] == "The database does not answer now"
        failing = (await get(client, "/health/ready", status=503))["checks"]
        assert [check["name"] for check in failing] == ["database"]
        assert (await client.get("/health/live")).status == 200
    finally:
        postgres.start()

    async def back() -> bool:
        return (await client.get("/api/v1/insights")).status == 200

    await eventually(back, message="insights are there again")


async def test_a_database_that_hangs_does_not_hang_the_views(client: Client, pool: asyncpg.Pool) -> None:
    async with pool.acquire() as one, pool.acquire() as other:  # all connections are busy
        assert one is not other
        document = await get(client, "/api/v1/insights", status=503)
        assert document["type"] == "urn:ubi:problem:database-unavailable"
        assert (await client.get("/health/live")).status == 200
    assert (await client.get("/api/v1/insights")).status == 200


async def test_a_database_without_tables_is_a_503(database: str) -> None:
    worker = MemoryWorker()
    pool = await create_pool(database, size=1, application="test")
    try:
        async with TestClient(TestServer(create_web(worker, pool, Metrics(worker.pack), SystemClock()))) as client:
            await get(client, "/api/v1/insights", status=503)
            await get(client, "/api/v1/segments", status=503)
    finally:
        await pool.close()

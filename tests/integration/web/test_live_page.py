"""The live page in a browser: it shows what the API has, complains about nothing, and shuts nobody out."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, expect

from support.pages import barriers, opened
from support.sink_rows import INSIGHTS, VISITS, insight_row, stretch, visit_row
from support.web_worker import T0, MemoryWorker, event
from ubi_stream.clock import SystemClock
from ubi_stream.runtime.metrics import Metrics
from ubi_stream.sinks.database import create_pool
from ubi_stream.sinks.migrations import migrate
from ubi_stream.sinks.postgres import PostgresSink
from ubi_stream.web.app import create_web

SUMMARY = "Opened 40 pages within a minute"
SEVERITIES = ("high", "medium", "low", "info")  # each has a colour of its own


@pytest.fixture
async def address(database: str) -> AsyncIterator[str]:
    """Where the views of a worker are that knows one user, with insights in Postgres."""
    await migrate(database)
    sink = PostgresSink(database, clock=SystemClock())
    rows = [insight_row(n, user_id="u1", severity=name, summary=SUMMARY) for n, name in enumerate(SEVERITIES)]
    await sink.write(stretch(INSIGHTS, 0, len(rows), *rows))
    await sink.write(stretch(VISITS, 0, 2, visit_row(0, 1), visit_row(1, 2, behavior_segment="bouncer")))
    await sink.close()
    worker = MemoryWorker(events=[event("u1", "view", T0 + 1_000 * n, category="shoes") for n in range(5)])
    pool = await create_pool(database, size=2, application="test")
    app = create_web(worker, pool, Metrics(worker.pack), SystemClock(), query_timeout_s=5.0)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))
    await pool.close()


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
async def test_the_live_page_loads_without_an_error_and_is_accessible(
    browser: Browser, address: str, color_scheme: str
) -> None:
    async with opened(browser, address, color_scheme=color_scheme) as (page, complaints):
        await expect(page.locator("#insights li")).to_have_count(len(SEVERITIES))
        await expect(page.locator("#insights li").first).to_contain_text(SUMMARY)
        await expect(page.locator("#status-text")).not_to_have_text("connecting")
        await expect(page.locator("#visits .name")).to_have_text(["bouncer", "browser"])
        assert await barriers(page) == []
        assert complaints == []


async def test_the_page_of_a_user_loads_without_an_error_and_is_accessible(browser: Browser, address: str) -> None:
    async with opened(browser, f"{address}#user_id=u1") as (page, complaints):
        await expect(page.locator("#user-title")).to_contain_text("u1")
        await expect(page.locator("#user-windows tr")).not_to_have_count(0)
        await expect(page.locator("#user-visits tr")).to_have_count(1)
        await expect(page.locator("#user-visits tr")).to_contain_text("browser")
        assert await barriers(page) == []
        assert complaints == []

"""The live page in a browser: it shows what the API has, complains about nothing, and shuts nobody out."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from support.live_views import SUMMARY, LiveViews, notable
from support.pages import barriers, opened
from support.sink_rows import START, VISITS, WINDOWS, insight_row, stretch, visit_row, window_row

SEVERITIES = ("high", "medium", "low", "info")  # each has a colour of its own
HOUR_MS = 3_600_000


@pytest.fixture
async def filled(views: LiveViews) -> LiveViews:
    """An insight of each severity, two visits, and three hours of active users."""
    await views.add(*(notable(n, severity, user_id="u1") for n, severity in enumerate(SEVERITIES)))
    await views.sink.write(stretch(VISITS, 0, 2, visit_row(0, 1), visit_row(1, 2, behavior_segment="bouncer")))
    rows = [
        window_row(n, 5 + n, key=segment, pane_ms=HOUR_MS, pane_start=START + timedelta(hours=n // 2))
        for n, segment in enumerate(("active", "new", "active", "at_risk", "active", "at_risk"))
    ]
    days = [window_row(6, 9, key="active", pane_ms=24 * HOUR_MS)]
    await views.sink.write(stretch(WINDOWS, 0, 7, *rows, *days))
    return views


@pytest.mark.parametrize(
    "context",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
        {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}},
    ],
    ids=["light", "dark", "narrow", "narrow and dark"],
)
async def test_the_live_page_loads_without_an_error_and_is_accessible(
    browser: Browser, filled: LiveViews, context: dict[str, Any]
) -> None:
    async with opened(browser, filled.url, **context) as (page, complaints):
        await expect(page.locator("#insights > li")).to_have_count(len(SEVERITIES))
        await expect(page.locator("#insights > li").first).to_contain_text(SUMMARY)
        await expect(page.locator("#status-text")).to_have_text("live")
        await expect(page.locator("#visits .name")).to_have_text(["bouncer", "browser"])
        await expect(page.locator("#figures .tile")).to_have_count(5)
        await expect(page.locator("#as-of")).to_contain_text("fetched")
        assert await barriers(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert complaints == []


async def test_the_page_of_a_user_loads_without_an_error_and_is_accessible(browser: Browser, filled: LiveViews) -> None:
    async with opened(browser, f"{filled.url}#user_id=u1") as (page, complaints):
        await expect(page.locator("#user-title")).to_contain_text("u1")
        await expect(page.locator("#user-windows tr")).not_to_have_count(0)
        await expect(page.locator("#user-visits tr")).to_have_count(1)
        await expect(page.locator("#user-visits tr")).to_contain_text("browser")
        await expect(page.locator("#insights-title")).to_have_text("Insights about u1, newest first")
        await expect(page.locator("#worth-title")).to_be_hidden()
        await expect(page.locator("#insights > li").first.locator(".claims li")).to_have_text(
            ["events in five minutes: 40 (usually 8)"]
        )
        assert await barriers(page) == []
        assert complaints == []


async def test_figures_and_shares_are_those_of_the_database(browser: Browser, filled: LiveViews) -> None:
    async with opened(browser, filled.url) as (page, _complaints):
        assert await figure(page, "worth") == ("2", "1 high, 1 medium")
        assert await figure(page, "active") == ("19", "")  # 9 active and 10 at risk in the newest hour
        assert await figure(page, "visits") == ("2", "")
        titles = await page.locator("#segments-chart rect title").all_text_contents()
        assert [title.split(": ")[1] for title in titles] == [
            "active 5, 45 %",
            "new 6, 55 %",
            "active 7, 47 %",
            "at risk 8, 53 %",
            "active 9, 47 %",
            "at risk 10, 53 %",
        ]
        await expect(page.locator("#visits-chart rect")).to_have_count(2)
        await expect(page.locator("#visits-note")).to_contain_text("below by five minutes")  # two hours alone have any
        await expect(page.locator("#count-low")).to_have_text("1 low")
        await page.locator("#count-low").click()
        await expect(page.locator("#insights > li")).to_have_count(1)
        await expect(page.locator("#insights > li .severity")).to_have_text("low")


async def figure(page: Page, key: str) -> tuple[str, str]:
    """Value and detail of a figure, once it is there."""
    tile = page.locator(f"#figures [data-key={key}]")
    await expect(tile).to_be_visible()
    return await tile.locator("b").inner_text(), await tile.locator("dd > span").inner_text()


async def test_what_is_worth_a_look_is_ranked_and_together_by_user(browser: Browser, views: LiveViews) -> None:
    todo = [{"action": "call", "text": "Call the user", "priority": 1, "score": 0.8}]
    warming = {"confidence_status": {"status": "warming_up", "n": 31, "of": 50}}
    incident: dict[str, Any] = {"entity": "population", "user_id": "user", "label": "checkout_latency"}
    ended = incident | {"label": "checkout_latency_over"}
    await views.add(
        notable(0, "medium", user_id="early", confidence=None, evidence=warming),
        notable(1, "high", **incident, id=insight_row(1).id),
        notable(2, "high", user_id="old", confidence=0.87, evidence={"recommendations": todo}),
        notable(3, "info", **ended),
        notable(4, "high", user_id="new"),
        notable(5, "medium", user_id="old"),
        notable(6, "low", user_id="quiet"),
        notable(7, "medium", user_id="late"),
        notable(8, "high", **incident, id=insight_row(1).id, partition=0),  # the same as another partition saw it
    )
    night = {"feature": "local_hour", "value": 2.025, "unit": "hour of day", "bound_is": "threshold"}
    at_night = [night | {"op": ">=", "bound": 0.0}, night | {"op": "<", "bound": 5.0}]
    await views.add(notable(9, "medium", user_id="early", evidence={"claims": at_night}))
    async with opened(browser, views.url) as (page, complaints):
        groups = page.locator("#worth > li")
        await expect(groups.locator("h3")).to_have_text(
            ["Everybody", "user new", "user old", "user early", "user late"]
        )
        everybody, old, early = groups.nth(0), groups.nth(2), groups.nth(3)
        await expect(everybody.locator(".summary")).to_have_count(1)
        await expect(old.locator(".severity")).to_have_text(["high", "medium"])
        await expect(old.locator(".claims li").first).to_have_text("events in five minutes: 40 (usually 8)")
        await expect(old.locator(".todo")).to_have_text("What could be done: Call the user")
        await expect(old).to_contain_text("confidence 87 %")
        await expect(early.locator(".claims").first).to_have_text(
            re.compile(": 02:02 \\(the rule: at least 00:00 and less than 05:00\\)$")
        )
        await expect(early).to_contain_text("confidence not known yet: 31 of 50 cases seen")
        assert complaints == []


async def test_an_incident_that_is_over_says_so(browser: Browser, views: LiveViews) -> None:
    incident: dict[str, Any] = {"entity": "population", "user_id": "user"}
    await views.add(
        notable(0, "high", **incident, label="checkout_latency"),
        notable(1, "info", **incident, label="checkout_latency_over"),
        notable(2, "high", **incident, label="checkout_latency"),  # it came again
    )
    async with opened(browser, views.url) as (page, _complaints):
        again, first = page.locator("#worth .summary + .meta").nth(0), page.locator("#worth .summary + .meta").nth(1)
        await expect(first).to_contain_text("over since")
        await expect(again).not_to_contain_text("over since")

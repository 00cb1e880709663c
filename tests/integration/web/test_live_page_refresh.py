"""The live page while one reads it: refreshes disturb nobody, a pause stops them, and a lost worker is plain to see."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect
from playwright.async_api import TimeoutError as TooLong

from support.live_views import SUMMARY, LiveViews, notable
from support.pages import barriers, opened
from support.sink_rows import insight_row

WITHIN_MS = 15_000


async def refreshed(page: Page) -> None:
    """Wait until the list of insights was asked for again, and shown."""
    async with page.expect_response(lambda response: "/api/v1/insights?limit" in response.url):
        pass
    async with page.expect_response(lambda response: "/health/ready" in response.url):
        pass


async def test_focus_and_what_was_opened_stay_over_refreshes(browser: Browser, views: LiveViews) -> None:
    await views.add(*(notable(n, "high", user_id=f"u{n}") for n in range(3)))
    async with opened(browser, views.url) as (page, complaints):
        link = page.locator("#worth h3 a", has_text="u1")
        await link.focus()
        opened_one = page.locator("#insights > li").nth(1)
        await opened_one.locator("summary").click()
        await link.focus()
        await views.add(notable(3, "high", user_id="u3"), notable(4, "high", user_id="u1"))  # which is first now
        await expect(page.locator("#worth h3").first).to_have_text("user u1", timeout=WITHIN_MS)
        assert await page.evaluate("document.activeElement.textContent") == "u1"
        await expect(page.locator("#insights > li").nth(3).locator("details")).to_have_attribute("open", "")
        assert complaints == []


async def test_the_place_that_one_has_scrolled_to_stays(browser: Browser, views: LiveViews) -> None:
    await views.add(*(notable(n, "low", user_id=f"u{n}") for n in range(30)))
    async with opened(browser, views.url) as (page, _complaints):
        read = page.locator(f'#insights > li[data-key="{insight_row(10).id}"]')
        await read.evaluate("node => node.scrollIntoView({ block: 'center' })")
        await refreshed(page)
        top = await read.evaluate("node => Math.round(node.getBoundingClientRect().top)")
        await views.add(*(notable(n, "low") for n in range(30, 34)))
        await expect(page.locator("#insights > li")).to_have_count(34, timeout=WITHIN_MS)
        assert abs(await read.evaluate("node => node.getBoundingClientRect().top") - top) <= 2


async def test_a_pause_stops_refreshes_until_it_is_over(browser: Browser, views: LiveViews) -> None:
    await views.add(notable(0, "high"))
    async with opened(browser, views.url) as (page, complaints):
        await expect(page.locator("#insights > li")).to_have_count(1)
        await expect(page.locator("#as-of")).to_contain_text("fetched")
        button = page.get_by_role("button", name="Pause")
        await button.focus()
        await page.keyboard.press("Space")
        await expect(button).to_have_attribute("aria-pressed", "true")
        await expect(page.locator("#status-text")).to_have_text("paused")
        await views.add(notable(1, "high"))
        with pytest.raises(TooLong):
            async with page.expect_request("**", timeout=4_000):  # a refresh would have come
                pass
        await expect(page.locator("#insights > li")).to_have_count(1)
        await page.keyboard.press("Space")
        await expect(page.locator("#insights > li")).to_have_count(2)
        await expect(page.locator("#status-text")).to_have_text("live")
        await expect(button).to_have_attribute("aria-pressed", "false")
        assert complaints == []


async def test_a_worker_that_is_gone_is_plain_to_see_until_it_is_back(browser: Browser, views: LiveViews) -> None:
    await views.add(notable(0, "high"))
    async with opened(browser, views.url) as (page, _complaints):
        banner = page.locator("#gone")
        await expect(page.locator("#as-of")).to_contain_text("fetched")
        await expect(banner).to_be_hidden()
        await views.stop()
        await expect(banner).to_be_visible(timeout=WITHIN_MS)
        await expect(banner).to_contain_text("The worker does not answer. What you see is from")
        await expect(page.locator("#status-text")).to_have_text("no answer")
        await expect(page.locator("body.stale #worth .summary")).to_have_text(SUMMARY)
        assert await barriers(page) == []
        await views.add(notable(1, "high"))
        await views.start()
        await expect(banner).to_be_hidden(timeout=WITHIN_MS)
        await expect(page.locator("body.stale")).to_have_count(0)
        await expect(page.locator("#insights > li")).to_have_count(2)
        await expect(page.locator("#figures [data-key=worth] b")).to_have_text("2")

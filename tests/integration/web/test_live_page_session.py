"""The live page once there are keys: nobody sees a figure before they log in, nor after they log out."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from support.live_views import LiveViews, notable
from support.pages import barriers, opened
from support.web_access import Keyring
from ubi_stream.web.security.principal import Role


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path)


@pytest.fixture
async def locked(views: LiveViews, keyring: Keyring) -> tuple[LiveViews, str]:
    """Views that take keys, and a key."""
    key = keyring.add(roles=[Role.ANALYST])
    await views.add(notable(0, "high", user_id="u1"))
    await views.stop()
    await views.start(keyring.settings.model_copy(update={"web_public": "health"}))
    return views, key


async def test_who_logs_in_sees_the_page_until_they_log_out(browser: Browser, locked: tuple[LiveViews, str]) -> None:
    views, key = locked
    async with opened(browser, views.url) as (page, complaints):
        await expect(page.locator("#log-in")).to_be_visible()
        await expect(page.locator("main")).to_be_hidden()
        assert await barriers(page) == []
        await page.fill("#credential", "ubi_secret_nonsense")
        await page.press("#credential", "Enter")
        await expect(page.locator("#log-in-note")).to_contain_text("no key or token")
        await page.fill("#credential", key)
        await page.click("#log-in button")
        await expect(page.locator("#insights > li")).to_have_count(1)
        await expect(page.locator("#log-in")).to_be_hidden()
        assert await page.evaluate("document.cookie") == ""  # no script reads it
        assert key not in await page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
        await page.reload()
        await expect(page.locator("#insights > li")).to_have_count(1)
        await page.click("#log-out")
        await expect(page.locator("#log-in")).to_be_visible()
        await expect(page.locator("#insights > li")).to_have_count(0)
        # Chromium writes a line of each 401, and of what a reload interrupts.
        assert [text for text in complaints if "401" not in text and "ERR_ABORTED" not in text] == []


async def test_the_description_of_the_api_is_shown_without_a_network(browser: Browser, views: LiveViews) -> None:
    async with opened(browser, f"{views.url}api/docs") as (page, complaints):
        await expect(page.locator(".opblock-summary-path").first).to_be_visible(timeout=20_000)
        await expect(page.get_by_text("Insights, filtered, page by page")).to_be_visible()
        assert complaints == []

"""Pages in the system's Chromium: what a browser complains about, and what keeps people from using them."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",  # CI is root, whom Chromium's sandbox refuses
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_HARM = frozenset({"serious", "critical"})


def chromium() -> str:
    """Path of the system's Chromium. Without one a test is skipped; in CI, which installs it, that is a failure."""
    for program in _PROGRAMS:
        if path := shutil.which(program):
            return path
    message = "tests of pages need Chromium: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@asynccontextmanager
async def launched() -> AsyncIterator[Browser]:
    """A browser of its own, gone with all its processes afterwards."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(browser: Browser, url: str, **context: Any) -> AsyncIterator[tuple[Page, list[str]]]:
    """A page that was loaded, and what goes wrong on it from then on: console errors, exceptions, failed requests.

    Parameters
    ----------
    context
        Options of the browser's context, such as `color_scheme` or `viewport`.
    """
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(message.text)

    async with await browser.new_context(**context) as fresh:
        page = await fresh.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}"))
        await page.goto(url)
        yield page, complaints


async def barriers(page: Page) -> list[str]:
    """Violations of accessibility rules that axe-core calls serious or critical, each with the elements it is about."""
    found = (await Axe().run(page)).response["violations"]
    return [
        f"{violation['id']}: {violation['help']}: {[node['html'] for node in violation['nodes']]}"
        for violation in found
        if violation["impact"] in _HARM
    ]

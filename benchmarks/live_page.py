"""Pictures of the live page of a worker that runs: `docs/live-page.png`, and `docs/live-page-user.png` for README.

Run as `make live-page URL=http://127.0.0.1:8088/` some three minutes after `ubi demo` has started.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, sync_playwright

_DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
_PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
_FLAGS: Final = ("--headless", "--no-sandbox", "--disable-gpu")
_SIZE: Final = {"width": 1240, "height": 1000}
_SAMPLES_MS: Final = 45_000
"""How long the page is open first, so that events a second have a line."""


def take(url: str, folder: Path, *, user: str | None, wait_ms: int = _SAMPLES_MS) -> str:
    """Take both pictures; returns the user whose page is on the second.

    Parameters
    ----------
    url
        Address of the live page.
    folder
        Where the pictures go.
    user
        Whose page it is; by default that of the first user who is worth a look.
    wait_ms
        How long the page is open before its picture is taken.
    """
    with sync_playwright() as playwright:
        program = next(path for path in map(shutil.which, _PROGRAMS) if path)
        browser = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        page = browser.new_page(viewport=_SIZE)  # type: ignore[arg-type]  # a plain dict is its ViewportSize
        page.goto(url)
        page.wait_for_timeout(wait_ms)
        shown = page.locator("#worth h3 a").first
        shown.wait_for()
        _picture(page, folder / "live-page.png")
        user = user or shown.inner_text()
        page.evaluate("user => (location.hash = new URLSearchParams({ user_id: user, entity: 'user' }))", user)
        page.locator("#user-windows tr").first.wait_for()
        _picture(page, folder / "live-page-user.png")
        browser.close()
    return user


def _picture(page: Page, path: Path) -> None:
    page.screenshot(path=path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="address of the live page")
    parser.add_argument("--user", help="id of the user on the second picture")
    asked = parser.parse_args()
    print("Pictures of the live page and of user", take(asked.url, _DOCS, user=asked.user), "are in docs/")


if __name__ == "__main__":
    main()

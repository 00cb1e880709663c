"""Browser SDKs of others, in a real browser, on a page of another origin: what they send arrives, and they see answers.

Fetches them by npm, so it runs with the slow tests alone.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser
from prometheus_client import CollectorRegistry

from support.collecting import MemoryDelivery, collector
from support.waiting import eventually
from ubi_stream.clock import SystemClock
from ubi_stream.runtime.http_metrics import HttpMetrics
from ubi_stream.settings import Settings
from ubi_stream.web.app import build_app
from ubi_stream.web.security.setup import make_security
from ubi_stream.web.server import WebServer
from ubi_stream.web.views.collector import CollectorViews

pytestmark = pytest.mark.slow

SETTINGS = Settings(_env_file=None)
PACKAGES = ("posthog-js@1", "@segment/analytics-next@1", "@snowplow/browser-tracker@4")
POSTHOG = """host => {
  posthog.init('phc_key', {api_host: host, autocapture: false, disable_session_recording: true,
    advanced_disable_flags: true, disable_surveys: true, opt_out_useragent_filter: true});
  posthog.capture('product_viewed', {price: 3});
  posthog.identify('u-1');
  posthog.capture('add_to_cart', {price: 3});
}"""
SEGMENT = """host => {
  const to = {apiKey: 'wk', apiHost: host.replace('http://', '') + '/v1', protocol: 'http'};
  const client = AnalyticsNext.AnalyticsBrowser.load(
    {writeKey: 'wk', cdnSettings: {integrations: {'Segment.io': to}}});
  client.page();
  client.track('Product Viewed', {price: 3});
  client.identify('u-1');
  client.track('Product Added', {price: 3});
}"""
SNOWPLOW = """host => {
  const sp = snowplowBrowserTracking;
  sp.newTracker('sp', host, {appId: 'shop'});
  sp.setUserId('u-1');
  sp.trackPageView();
  sp.trackStructEvent({category: 'shop', action: 'product_view', value: 3});
  sp.trackStructEvent({category: 'shop', action: 'add_to_cart', value: 3});
}"""
CLIENTS = {
    "snowplow": ("@snowplow/browser-tracker/dist/index.umd.min.js", SNOWPLOW),
    "posthog": ("posthog-js/dist/array.full.no-external.js", POSTHOG),
    "segment": ("@segment/analytics-next/dist/umd/index.js", SEGMENT),
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the SDKs' files."""
    npm = shutil.which("npm")
    assert npm is not None, "npm is needed: apt-get install npm"
    folder = tmp_path_factory.mktemp("npm")
    subprocess.run([npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES], cwd=folder, check=True)
    return folder / "node_modules"


@pytest.fixture
async def page_url(packages: Path) -> AsyncIterator[str]:
    """A page of another origin that has the files."""

    async def index(_request: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Shop</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", index)
    app.router.add_static("/js/", packages)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


@pytest.mark.parametrize("name", CLIENTS)
async def test_what_a_browser_sends_arrives_once_and_says_who_the_visitor_is(
    browser: Browser, page_url: str, name: str
) -> None:
    delivery, clock, metrics = MemoryDelivery(), SystemClock(), HttpMetrics(CollectorRegistry())
    security = make_security(SETTINGS, None, clock, metrics, b"a secret of a test, long enough")
    app = build_app(CollectorViews(collector(delivery), clock).routes(), security, metrics, clock)
    server = WebServer(app, host="127.0.0.1", port=0)
    await server.start()
    try:
        file, script = CLIENTS[name]
        page = await browser.new_page()
        await page.goto(page_url)
        await page.add_script_tag(url=f"{page_url}js/{file}")
        await page.evaluate(script, server.url)

        def arrived() -> bool:
            return {"page_view", "view", "cart", "$identify"} <= kinds(delivery).keys()

        await eventually(arrived, 20.0, "all events arrived")
        await page.close()
    finally:
        await server.stop()
    found = kinds(delivery)
    assert all(len(events) == 1 for events in found.values()), found
    [identified] = found["$identify"]
    assert identified["user_id"] == "u-1"
    assert found["cart"][0]["user_id"] == "u-1"
    assert not delivery.dead_letters(SETTINGS)


def kinds(delivery: MemoryDelivery) -> dict[str, list[dict[str, Any]]]:
    """Events by their type."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in delivery.events(SETTINGS):
        found.setdefault(event["event_type"], []).append(event)
    return found

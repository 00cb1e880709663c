"""Tracking of an aiohttp application."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from support.tracked import PlayedCollector, batcher_to
from ubi_stream.contrib.aiohttp import CAPTURE, track
from ubi_stream.contrib.rules import Rule

Client = TestClient[web.Request, web.Application]


async def view(request: web.Request) -> web.Response:
    request["user_id"] = 7
    return web.Response(text="ok")


async def buy(request: web.Request) -> web.StreamResponse:
    request.app[CAPTURE].purchase("u-1", 9.5, category="shoes", note="ship to bob@example.com")
    raise web.HTTPFound("/thanks")


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"bit by bit")
    return response


async def broken(_: web.Request) -> web.Response:
    raise LookupError


@pytest.fixture
def collector() -> PlayedCollector:
    return PlayedCollector()


@pytest.fixture
async def client(collector: PlayedCollector) -> AsyncIterator[Client]:
    app = web.Application()
    app.add_routes(
        [web.get("/p/{id}", view), web.post("/buy", buy), web.get("/stream", stream), web.get("/broken", broken)]
    )
    track(app, batcher=batcher_to(collector), rules=[Rule("/p/{id}", "GET", "view", {"product_id": "path.id"})])
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.filterwarnings("ignore::aiohttp.web.NotAppKeyWarning")  # a host may use plain names
async def test_requests_become_events_with_one_session(client: Client, collector: PlayedCollector) -> None:
    first = await client.get("/p/9")
    cookie = first.cookies["ubi_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    again = await client.get("/stream")
    assert "ubi_session" not in again.cookies
    assert await again.text() == "bit by bit"
    await client.close()
    view_event, stream_event = collector.accepted
    assert (view_event["event_type"], view_event["user_id"]) == ("view", "7")
    assert view_event["properties"]["product_id"] == "9"
    assert stream_event["session_id"] == view_event["session_id"] == cookie.value
    assert stream_event["user_id"] == cookie.value


async def test_events_that_are_no_requests_and_answers_by_exception(client: Client, collector: PlayedCollector) -> None:
    answer = await client.post("/buy", allow_redirects=False)
    assert answer.status == 302
    assert "ubi_session" in answer.cookies
    await client.close()
    purchase, page_view = collector.accepted
    assert purchase["properties"] == {"amount": 9.5, "category": "shoes", "note": "ship to [email]"}
    assert page_view["properties"]["status"] == 302


async def test_what_the_host_raises_is_its_own(client: Client, collector: PlayedCollector) -> None:
    assert (await client.get("/broken")).status == 500
    assert (await client.get("/none")).status == 404
    await client.close()
    assert [event["properties"]["status"] for event in collector.accepted] == [500, 404]

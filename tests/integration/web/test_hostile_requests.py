"""Requests of somebody who means harm: none is let in, none is a bug, none takes the server down or grows it."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import msgspec
import psutil
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from support.hostile import answer, attacks
from support.web_access import TOKENS, token
from support.web_worker import SECRET, MemoryWorker
from ubi_stream.clock import SystemClock
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.runtime.http_metrics import HttpMetrics
from ubi_stream.web.app import ROUTES, build_app, create_web
from ubi_stream.web.routes import ANYBODY, Body, Route
from ubi_stream.web.security.setup import make_security
from ubi_stream.web.server import WebServer

AT_ONCE = 20
GROWTH_MB = 40
"""Of the whole process, the attacker in it included."""


class Taken(msgspec.Struct, forbid_unknown_fields=True):
    """What the route takes that is attacked."""

    user_id: str


async def never(_request: web.Request) -> web.Response:
    raise AssertionError("nothing of this is let in")


@pytest.fixture
async def target() -> AsyncIterator[WebServer]:
    """The routes of a worker that takes tokens, and one that anybody may send bodies to, in all encodings."""
    clock, worker = SystemClock(), MemoryWorker()
    table = create_web(worker, None, Metrics(worker.pack), clock)[ROUTES]
    body = Body(
        type=Taken, max_bytes=64_000, max_decoded_bytes=256_000, encodings=("gzip", "deflate", "zstd"), within_s=1.0
    )
    taking = Route("POST", "/take", never, roles=ANYBODY, body=body)
    metrics = HttpMetrics(CollectorRegistry())
    settings = TOKENS.model_copy(update={"rate_limit_max": 10_000_000})
    app = build_app([*table, taking], make_security(settings, None, clock, metrics, SECRET), metrics, clock)
    server = WebServer(app, host="127.0.0.1", port=0, first_request_s=1.0)
    await server.start()
    yield server
    await server.stop()


async def send_all(server: WebServer, number: int, seed: int) -> Counter[tuple[str, int | None]]:
    """Send so many, some at a time; how each kind was answered."""
    port = urlsplit(server.url).port
    assert port is not None
    answered: Counter[tuple[str, int | None]] = Counter()
    waiting = attacks(number, seed)

    async def send() -> None:
        for attack in waiting:
            answered[attack.kind, await answer("127.0.0.1", port, attack)] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(send())
    return answered


async def works(server: WebServer) -> bool:
    """Whether somebody with a right still gets an answer."""
    headers = {"Authorization": f"Bearer {token('viewer', now_ms=SystemClock().now_ms())}"}
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/api/v1/models", headers=headers) as response:
        return response.status == 200


async def attacked(server: WebServer, number: int) -> None:
    await send_all(server, 300, seed=1)  # what is made once is there
    gc.collect()
    before = psutil.Process().memory_info().rss
    answered = await send_all(server, number, seed=2)
    gc.collect()
    grown_mb = (psutil.Process().memory_info().rss - before) / 1e6
    assert sum(answered.values()) == number
    wrong = {one: count for one, count in answered.items() if one[1] is not None and not 400 <= one[1] < 500}
    assert wrong == {}
    assert grown_mb < GROWTH_MB
    assert await works(server)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_nothing_hostile_is_let_in(target: WebServer) -> None:
    await attacked(target, 600)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_ten_thousand_hostile_requests(target: WebServer) -> None:
    await attacked(target, 10_000)

"""The views on a loopback port, over a worker in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest
from aiohttp.test_utils import TestClient
from prometheus_client import CollectorRegistry

from support.collecting import memory_intake
from support.web_access import TOKENS, Service, ViewsServer
from support.web_worker import NOW_MS, SECRET, T0, Client, MemoryWorker, Serve, event
from ubi_stream.clock import ManualClock
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.runtime.http_metrics import HttpMetrics
from ubi_stream.settings import Settings
from ubi_stream.web.app import build_app, create_web
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.routes import Route
from ubi_stream.web.security.setup import make_security


@pytest.fixture
def worker() -> MemoryWorker:
    """Knows u1, who looks, puts into the cart and buys within an hour."""
    visits = [event("u1", "view", T0 + minute * 60_000, session="s1", category="shoes") for minute in range(4)]
    visits += [
        event("u1", "cart", T0 + 240_000, session="s1", category="shoes"),
        event("u1", "purchase", T0 + 300_000, session="s1", price=59.9, latency_ms=420),
    ]
    return MemoryWorker("ecommerce", visits)


@pytest.fixture
def clock() -> ManualClock:
    """The clock of the views: stands still."""
    return ManualClock(NOW_MS)


@pytest.fixture
async def serve(clock: ManualClock) -> AsyncIterator[Serve]:
    """Serves the views of a worker, without a database, until the test is over."""
    async with AsyncExitStack() as stack:

        async def serve_one(port: WorkerPort, settings: Settings | None = None) -> Client:
            app = create_web(
                port, None, Metrics(port.pack), clock, secret=SECRET, settings=settings, intake=memory_intake()
            )
            return await stack.enter_async_context(TestClient(ViewsServer(app)))

        yield serve_one


@pytest.fixture
async def client(serve: Serve, worker: MemoryWorker) -> Client:
    """The views of `worker`."""
    return await serve(worker)


@pytest.fixture
async def guarded(serve: Serve, worker: MemoryWorker) -> Client:
    """The views of `worker`, which take tokens: `as_role` makes their headers."""
    return await serve(worker, TOKENS)


@pytest.fixture
async def serve_routes(clock: ManualClock) -> AsyncIterator[Service]:
    """Serves a route table, which takes tokens unless settings say otherwise, until the test is over."""
    async with AsyncExitStack() as stack:

        async def serve_table(routes: Sequence[Route], settings: Settings = TOKENS) -> Client:
            metrics = HttpMetrics(CollectorRegistry())
            app = build_app(routes, make_security(settings, None, clock, metrics, SECRET), metrics, clock)
            return await stack.enter_async_context(TestClient(ViewsServer(app)))

        yield serve_table

"""The server that runs the views beside the stream."""

from __future__ import annotations

import socket

import aiohttp
import pytest

from support.web_worker import MemoryWorker
from ubi_stream.clock import SystemClock
from ubi_stream.errors import ConfigError
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.web.app import WebServer, create_web


def server(host: str = "127.0.0.1", port: int = 0) -> WebServer:
    worker = MemoryWorker()
    return WebServer(create_web(worker, None, Metrics(worker.pack), SystemClock()), host=host, port=port)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
async def test_serves_on_a_free_port_until_stopped(host: str) -> None:
    views = server(host)
    await views.start()
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{views.url}/health/live") as response:
            assert response.status == 200
    finally:
        url = views.url
        await views.stop()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{url}/health/live")


async def test_stopping_twice_or_before_the_start_is_fine() -> None:
    views = server()
    await views.stop()
    await views.start()
    await views.stop()
    await views.stop()


async def test_a_port_that_is_taken_is_a_sentence_that_says_what_to_set() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"can't listen on 127.0.0.1:{port}: another program .*UBI_WEB_PORT"):
            await server(port=port).start()


async def test_a_header_without_end_is_refused() -> None:
    views = server()
    await views.start()
    try:
        headers = {"X-Long": "x" * 20_000}
        async with aiohttp.ClientSession() as session, session.get(f"{views.url}/", headers=headers) as response:
            assert response.status == 400
            assert ".py" not in await response.text()
    finally:
        await views.stop()

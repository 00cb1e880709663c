"""A profile is asked of the worker that has it, whichever worker is asked first."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from support.web_worker import T0, Client, MemoryWorker, Serve, event, path_of
from ubi_stream.metrics.status import Owner, StateLocation


def base_url(client: Client) -> str:
    return str(client.server.make_url("/"))


async def test_a_profile_comes_from_its_owner_whoever_is_asked(serve: Serve, worker: MemoryWorker) -> None:
    user = "ü/1 %2F?"
    worker.take([event(user, "view", T0)])
    asked = MemoryWorker()
    asked.owners[user] = Owner(StateLocation.ELSEWHERE, base_url(await serve(worker)))
    client = await serve(asked)
    response = await client.get(path_of(user), headers={"X-Request-Id": "r-1"})
    assert response.status == 200
    assert (await response.json())["id"] == user
    assert response.headers["X-Request-Id"] == "r-1"
    assert response.headers["Cache-Control"] == "no-store"


async def test_the_kind_of_entity_goes_along(serve: Serve) -> None:
    payment = event("c1", "payment", T0, tx_id="x1", amount=1.5, terminal_id="t1")
    owner, asked = MemoryWorker("payments", [payment]), MemoryWorker("payments")
    asked.owners["t1"] = Owner(StateLocation.ELSEWHERE, base_url(await serve(owner)))
    response = await (await serve(asked)).get(path_of("t1").with_query(entity="terminal"))
    assert (await response.json())["entity"] == "terminal"


async def test_the_owner_s_404_is_a_404_with_the_same_request_id(serve: Serve, worker: MemoryWorker) -> None:
    asked = MemoryWorker()
    asked.owners["nobody"] = Owner(StateLocation.ELSEWHERE, base_url(await serve(worker)))
    response = await (await serve(asked)).get(path_of("nobody"), headers={"X-Request-Id": "r-2"})
    document = await response.json(content_type="application/problem+json")
    assert (response.status, document["type"]) == (404, "urn:ubi:problem:unknown-entity")
    assert document["request_id"] == "r-2"


async def test_two_workers_that_hold_each_other_for_the_owner_do_not_go_round_in_circles(serve: Serve) -> None:
    one, other = MemoryWorker(), MemoryWorker()
    first, second = await serve(one), await serve(other)
    one.owners["u1"] = Owner(StateLocation.ELSEWHERE, base_url(second))
    other.owners["u1"] = Owner(StateLocation.ELSEWHERE, base_url(first))
    response = await first.get(path_of("u1"))
    document = await response.json(content_type="application/problem+json")
    assert (response.status, document["type"]) == (503, "urn:ubi:problem:rebalancing")
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    "owner", [Owner(StateLocation.UNKNOWN), Owner(StateLocation.ELSEWHERE)], ids=["rebalance", "no address"]
)
async def test_during_a_rebalance_ask_again(client: Client, worker: MemoryWorker, owner: Owner) -> None:
    worker.owners["u1"] = owner
    response = await client.get(path_of("u1"))
    document = await response.json(content_type="application/problem+json")
    assert (response.status, document["type"]) == (503, "urn:ubi:problem:rebalancing")
    assert response.headers["Retry-After"] == "1"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.parametrize(
    "url",
    [f"http://127.0.0.1:{closed_port()}", "http://127.0.0.1:99999", "no url", "ftp://x/"],
    ids=["closed", "no such port", "no url", "no http"],
)
async def test_an_owner_that_can_t_be_reached_is_a_503(client: Client, worker: MemoryWorker, url: str) -> None:
    worker.owners["u1"] = Owner(StateLocation.ELSEWHERE, url)
    await assert_unreachable(client)


async def assert_unreachable(client: Client) -> None:
    response = await client.get(path_of("u1"))
    document = await response.json(content_type="application/problem+json")
    assert (response.status, document["type"]) == (503, "urn:ubi:problem:worker-unreachable")
    assert "127.0.0.1" not in document["detail"]
    assert response.headers["Retry-After"] == "2"


@pytest.fixture
async def stranger() -> AsyncIterator[TestServer]:
    """Something else that listens where a worker was."""

    async def html(_request: web.Request) -> web.Response:
        return web.Response(text="<script>alert(1)</script>", content_type="text/html")

    async def endless(_request: web.Request) -> web.Response:
        return web.Response(body=b"[" * (2 * 1024 * 1024), content_type="application/json")

    async def away(_request: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:1/")

    app = web.Application()
    app.add_routes([web.get(f"/{name}/{{tail:.*}}", view) for name, view in
                    (("html", html), ("endless", endless), ("away", away))])  # fmt: skip
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest.mark.parametrize("odd", ["html", "endless", "away"])
async def test_an_answer_that_is_no_worker_s_is_not_passed_on(
    client: Client, worker: MemoryWorker, stranger: TestServer, odd: str
) -> None:
    worker.owners["u1"] = Owner(StateLocation.ELSEWHERE, str(stranger.make_url(f"/{odd}")))
    await assert_unreachable(client)


async def test_an_owner_that_hangs_is_given_up(client: Client, worker: MemoryWorker) -> None:
    with socket.socket() as silent:  # takes the connection, and never says a word
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        worker.owners["u1"] = Owner(StateLocation.ELSEWHERE, f"http://127.0.0.1:{silent.getsockname()[1]}")
        await assert_unreachable(client)

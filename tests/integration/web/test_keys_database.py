"""Keys and the audit in Postgres: made by the command, good at every worker, revoked at once, written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient

from support.waiting import eventually
from support.web_access import ViewsServer
from support.web_worker import SECRET, T0, Client, MemoryWorker, event
from ubi_stream.clock import SystemClock
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.settings import Settings
from ubi_stream.sinks.database import create_pool
from ubi_stream.sinks.migrations import migrate
from ubi_stream.web.app import create_web
from ubi_stream.web.security.key_store import create_key, make_key
from ubi_stream.web.security.keys import KeyKind
from ubi_stream.web.security.principal import Role
from ubi_stream.web.security.setup import shared_secret

SETTINGS = Settings(_env_file=None, web_public="")


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    await migrate(database)
    pool = await create_pool(database, size=2, application="test")
    yield pool
    await pool.close()


@pytest.fixture
async def workers(pool: asyncpg.Pool) -> AsyncIterator[tuple[Client, Client]]:
    """The views of two workers over one database."""
    async with AsyncExitStack() as stack:

        async def serve() -> Client:
            worker = MemoryWorker("ecommerce", [event("u1", "view", T0)])
            app = create_web(worker, pool, Metrics(worker.pack), SystemClock(), settings=SETTINGS, secret=SECRET)
            return await stack.enter_async_context(TestClient(ViewsServer(app)))

        yield await serve(), await serve()


async def first_key(pool: asyncpg.Pool, *roles: Role) -> dict[str, str]:
    """Headers of a key, made as `ubi keys create` makes it."""
    now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC)
    text, key = make_key(KeyKind.SECRET, "first", secret=b"", now=now, roles=frozenset(roles))
    await create_key(pool, key)
    return {"X-Api-Key": text}


async def lines(client: Client, admin: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    response = await client.get(f"/api/v1/audit{query}", headers=admin)
    assert response.status == 200, await response.text()
    found: list[dict[str, Any]] = (await response.json())["lines"]
    return found


async def test_a_key_from_its_making_to_its_end(workers: tuple[Client, Client], pool: asyncpg.Pool) -> None:
    one, other = workers
    assert (await one.get("/api/v1/models")).status == 200  # this machine, before the first key
    admin = await first_key(pool, Role.ADMIN)

    async def closed() -> bool:
        return (await other.get("/api/v1/models")).status == 401

    await eventually(closed, message="the first key closes the door at every worker")
    body = {"kind": "secret", "name": "reports", "scopes": ["models:read"]}
    made = await one.post("/api/v1/keys", json=body, headers=admin)
    assert made.status == 201
    key = await made.json()
    headers = {"X-Api-Key": key["key"]}

    async def status_is(client: Client, headers: dict[str, str], status: int) -> None:
        async def is_so() -> bool:
            return (await client.get("/api/v1/models", headers=headers)).status == status

        await eventually(is_so, 3.0, f"answered {status}")

    await status_is(other, headers, 200)
    stored = await pool.fetchrow("SELECT api_keys::text AS row FROM api_keys WHERE id = $1", key["id"])
    assert stored is not None
    assert key["key"] not in stored["row"]

    rotated = await one.post(f"/api/v1/keys/{key['id']}/rotate", json={"overlap_s": 0}, headers=admin)
    new = {"X-Api-Key": (await rotated.json())["key"]}
    await status_is(other, new, 200)
    await status_is(other, headers, 401)
    new_id = (await rotated.json())["id"]
    assert (await one.delete(f"/api/v1/keys/{new_id}", headers=admin)).status == 204
    await status_is(other, new, 401)
    listed = (await (await one.get("/api/v1/keys", headers=admin)).json())["keys"]
    assert [(one["name"], one["good"]) for one in listed] == [("first", True), ("reports", False), ("reports", False)]
    assert (await one.delete("/api/v1/keys/key_none", headers=admin)).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "ingest", "name": "x", "scopes": ["insights:read"]},
        {"kind": "secret", "name": "x"},
        {"kind": "secret", "name": "x", "scopes": ["everything:read"]},
        {"kind": "secret", "name": "x", "roles": ["user"]},
        {"kind": "secret", "name": "", "scopes": ["*:read"]},
        {"kind": "master", "name": "x"},
        {"kind": "secret", "name": "x", "scopes": ["*:read"], "hash": "00"},
    ],
)
async def test_a_key_that_cant_be_is_not_made(
    workers: tuple[Client, Client], pool: asyncpg.Pool, body: dict[str, Any]
) -> None:
    response = await workers[0].post("/api/v1/keys", json=body)
    assert (response.status, response.content_type) == (400, "application/problem+json")
    assert await pool.fetchval("SELECT count(*) FROM api_keys") == 0


async def test_nobody_makes_a_key_that_grants_more(workers: tuple[Client, Client]) -> None:
    client = workers[0]
    maker = await (
        await client.post("/api/v1/keys", json={"kind": "secret", "name": "m", "scopes": ["keys:write", "models:read"]})
    ).json()
    headers = {"X-Api-Key": maker["key"]}
    for body in ({"scopes": ["insights:read"]}, {"roles": ["admin"]}, {"scopes": ["*:read"]}):
        wanted = {"kind": "secret", "name": "x", **body}

        async def refused(wanted: dict[str, Any] = wanted) -> bool:
            return (await client.post("/api/v1/keys", json=wanted, headers=headers)).status == 403

        await eventually(refused, 3.0, "refused")
    lesser = {"kind": "secret", "name": "x", "scopes": ["models:read"]}
    assert (await client.post("/api/v1/keys", json=lesser, headers=headers)).status == 201


async def test_the_audit_says_who_asked_about_whom_and_never_an_id(
    workers: tuple[Client, Client], pool: asyncpg.Pool
) -> None:
    one, other = workers
    admin = await first_key(pool, Role.ADMIN)

    response = await one.get("/api/v1/users/u1", headers=admin | {"X-Request-Id": "r-1"})
    assert response.status == 200  # a new key is good at once
    assert (await other.get("/api/v1/users/u1", headers=admin)).status == 200
    await other.get("/api/v1/users/u1/insights")  # by nobody

    async def written() -> bool:
        return len(await pool.fetch("SELECT FROM audit")) >= 3

    await eventually(written, 5.0, "lines are written")
    about = await lines(other, admin, "?subject=u1")
    assert {(line["route"], line["status"]) for line in about} >= {
        ("/api/v1/users/{id}", 200),
        ("/api/v1/users/{id}/insights", 401),
    }
    mine = next(line for line in about if line["status"] == 200)
    assert (mine["role"], mine["action"]) == ("admin", "GET")
    assert "r-1" in {line["request_id"] for line in about}
    assert await lines(one, admin, "?subject=u2") == []
    assert all(line["actor"] == mine["actor"] for line in await lines(one, admin, f"?actor={mine['actor']}"))
    rows = await pool.fetch("SELECT audit::text AS row FROM audit")
    assert not [row for row in rows if "u1" in row["row"].replace("/api/v1", "")]
    with pytest.raises(asyncpg.PostgresError):
        await pool.execute("UPDATE audit SET actor = 'somebody else'")


async def test_workers_find_one_secret(pool: asyncpg.Pool) -> None:
    found = await asyncio.gather(*(shared_secret(SETTINGS, pool) for _ in range(4)))
    assert len(set(found)) == 1
    assert len(found[0]) == 32

"""Erasure, its receipt, export and report: who may ask, and what comes back."""

from __future__ import annotations

import re

import msgspec
import pytest

from support.web_access import as_role
from support.web_worker import NOW_MS, Client, MemoryWorker, Serve, path_of
from ubi_stream.metrics.status import Owner, StateLocation
from ubi_stream.web.security.principal import Role


async def test_an_erasure_goes_onto_the_topic_and_says_where_its_receipt_will_be(
    client: Client, worker: MemoryWorker
) -> None:
    answer = await client.delete(path_of("u 1"))
    document = await answer.json()
    assert answer.status == 202
    assert document["status"] == "pending"
    assert re.fullmatch(f"{NOW_MS:x}-[0-9a-f]{{32}}", document["erasure_id"])
    assert answer.headers["Location"] == f"/api/v1/erasures/{document['erasure_id']}"
    ((key, value),) = worker.labels
    assert (key.entity, key.entity_id) == ("user", "u 1")
    assert msgspec.json.decode(value) == {
        "event_id": f"erase/{document['erasure_id']}",
        "event_time": NOW_MS,
        "event_type": "$erase",
        "user_id": "u 1",
    }


async def test_other_entities_are_erased_by_their_own_key(serve: Serve) -> None:
    worker = MemoryWorker("payments")
    client = await serve(worker)
    assert (await client.delete(path_of("t-1", "?entity=terminal"))).status == 202
    ((key, value),) = worker.labels
    assert key.entity == "terminal"
    assert msgspec.json.decode(value)["properties"] == {"terminal_id": "t-1"}
    assert (await client.delete(path_of("t-1", "?entity=shop"))).status == 400


async def test_a_broker_that_does_not_take_it_is_said_so(client: Client, worker: MemoryWorker) -> None:
    worker.takes = False
    answer = await client.delete(path_of("u1"))
    assert answer.status == 503
    assert (await answer.json())["type"] == "urn:ubi:problem:broker-unavailable"


async def test_without_a_database_an_export_has_the_state_alone_where_that_is_asked_for(client: Client) -> None:
    assert (await client.get(path_of("u1", "/export"))).status == 503
    answer = await client.get(path_of("u1", "/export?rows=false"))
    document = await answer.json()
    assert answer.status == 200
    assert answer.headers["Content-Disposition"] == 'attachment; filename="export.json"'
    assert (document["entity"], document["id"], document["complete"]) == ("user", "u1", False)
    assert document["profile"]["id"] == "u1"
    assert document["state"]["events"] == 6
    assert document["state"]["categories"]
    assert document["state"]["session"]["id"] == "s1"


async def test_of_whom_nothing_is_kept(client: Client) -> None:
    answer = await client.get(path_of("nobody", "/export?rows=false"))
    assert answer.status == 404
    assert (await answer.json())["type"] == "urn:ubi:problem:unknown-entity"


async def test_another_worker_is_asked_for_the_state(serve: Serve, worker: MemoryWorker) -> None:
    owner = await serve(worker)
    asked = MemoryWorker("ecommerce")
    asked.owners["u1"] = Owner(StateLocation.ELSEWHERE, str(owner.make_url("/")).rstrip("/"))
    client = await serve(asked)
    document = await (await client.get(path_of("u1", "/export?rows=false"))).json()
    assert document["state"]["events"] == 6
    asked.owners["u9"] = asked.owners["u1"]
    assert (await client.get(path_of("u9", "/export?rows=false"))).status == 404


@pytest.mark.parametrize("erasure_id", ["x", "1-2", f"{NOW_MS - 8 * 86_400_000:x}-{'0' * 32}"])
async def test_a_receipt_needs_the_database(client: Client, erasure_id: str) -> None:
    assert (await client.get(f"/api/v1/erasures/{erasure_id}")).status == 503
    assert (await client.get("/api/v1/privacy/report")).status == 503


@pytest.mark.parametrize("role", Role)
async def test_who_may(guarded: Client, role: Role) -> None:
    may = role in (Role.PRIVACY, Role.ADMIN)
    headers = as_role(role)
    assert ((await guarded.delete(path_of("u7"), headers=headers)).status == 202) is may
    own = await guarded.get(path_of("u1", "/export?rows=false"), headers=as_role(role, sub="u1"))
    assert (own.status == 200) is (may or role is Role.USER)
    other = await guarded.get(path_of("u1", "/export?rows=false"), headers=as_role(role, sub="u2"))
    assert (other.status == 200) is may

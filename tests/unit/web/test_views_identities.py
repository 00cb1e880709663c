"""Ids that are one user: what a profile says of them, and commands that merge and split."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import pytest

from support.web_worker import T0, Client, MemoryWorker, event, path_of
from ubi_stream.data.records import ProducerRecord
from ubi_stream.events.identity import identity_event
from ubi_stream.web.views.privacy import rows_of


def identified(anonymous: str, user: str) -> ProducerRecord:
    value = identity_event("$identify", f"{anonymous}/{user}", T0 + 360_000, user, anonymous)
    return ProducerRecord(anonymous.encode(), value)


@pytest.fixture
def merged(worker: MemoryWorker) -> MemoryWorker:
    """u1 came as a/1 before."""
    worker.take([event("a/1", "view", T0 + 60_000, session="s0"), identified("a/1", "u1")])
    return worker


async def test_a_profile_lists_the_ids_that_were_merged_into_it(client: Client, merged: MemoryWorker) -> None:
    document = await (await client.get(path_of("u1"))).json()
    assert document["identities"] == [{"id": "a/1", "since": "2019-09-30T23:06:00.000Z"}]
    assert document["counters"]["events"] == 7


async def test_a_merged_id_leads_to_its_user(client: Client, merged: MemoryWorker) -> None:
    response = await client.get(path_of("a/1"), allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (307, "/api/v1/users/u1")
    assert await response.json() == {"id": "a/1", "merged_into": "u1"}
    assert (await (await client.get(path_of("a/1"))).json())["id"] == "u1"


async def test_so_do_the_routes_below_it_with_their_parameters(client: Client, merged: MemoryWorker) -> None:
    response = await client.get(path_of("a/1", "/forecast").with_query(days=3), allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (307, "/api/v1/users/u1/forecast?days=3")


async def test_a_merge_and_its_split_are_commands_on_the_topic(client: Client, worker: MemoryWorker) -> None:
    worker.take([event("a/1", "view", T0 + 60_000, session="s0")])
    response = await client.post(path_of("u1", "/merge"), json={"previous_id": "a/1"})
    assert response.status == 202
    (key, value), *_ = worker.labels
    command = msgspec.json.decode(value)
    assert (key.entity_id, command["event_type"], command["user_id"]) == ("a/1", "$alias", "u1")
    assert await response.json() == {"event_id": command["event_id"]}
    assert (await (await client.get(path_of("u1"))).json())["counters"]["events"] == 7
    assert (await client.post(path_of("u1", "/split"), json={"previous_id": "a/1"})).status == 202
    for user, events in (("u1", 6), ("a/1", 1)):
        document = await (await client.get(path_of(user))).json()
        assert (document["counters"]["events"], document["identities"]) == (events, [])


@pytest.mark.parametrize(
    "body", [{}, {"previous_id": ""}, {"previous_id": "u1"}, {"previous_id": "null"}, {"other": "a"}]
)
async def test_what_names_no_other_id_is_refused(client: Client, worker: MemoryWorker, body: dict[str, str]) -> None:
    assert (await client.post(path_of("u1", "/merge"), json=body)).status == 400
    assert worker.labels == []


async def test_an_export_has_the_rows_of_all_ids() -> None:
    class Rows:
        async def fetch(self, query: str, /, *args: Any) -> list[Any]:
            return [{"id": UUID(int=1), "document": f"{args[1]} in {query.split()[6]}"}]

    found = await rows_of(Rows(), entity="user", user_ids=("u1", "a/1"))
    assert found["visits"] == [b"u1 in visits", b"a/1 in visits"]


async def test_without_kafka_the_command_is_to_be_sent_again(client: Client, worker: MemoryWorker) -> None:
    worker.takes = False
    response = await client.post(path_of("u1", "/merge"), json={"previous_id": "a"})
    assert (response.status, response.headers["Retry-After"]) == (503, "2")

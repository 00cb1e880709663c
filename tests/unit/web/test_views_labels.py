"""A label that is posted: what it becomes on the topic, what comes back, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from support.web_worker import NOW_MS, Client, MemoryWorker, Serve
from ubi_stream.clock import ManualClock
from ubi_stream.metrics.status import Owner, StateLocation
from ubi_stream.web.views.labels import LABELS_AT_ONCE, LABELS_PER_S, MAX_LABEL_BYTES

PATH = "/api/v1/labels"
INSIGHT = "695ffd3b-3505-50d5-8f8e-fda8c16250e8"
LABEL_SAID = {"insight_id": INSIGHT, "label": "false_positive"}
LABEL: dict[str, Any] = {"user_id": "u1"} | LABEL_SAID


async def post(
    client: Client, label: Any = None, *, headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    response = await client.post(PATH, json=LABEL if label is None else label, headers=headers)
    return response.status, await response.json(content_type=None), response.headers


async def test_a_label_goes_to_the_topic_under_the_users_key(client: Client, worker: MemoryWorker) -> None:
    predicted = {"weight": 2, "author": "ann", "note": "a crawler", "outcome": None}
    status, answer, _ = await post(client, LABEL | predicted, headers={"Idempotency-Key": "k-1"})
    assert status == 200
    ((key, value),) = worker.labels
    assert (key.entity, key.entity_id, key.event_id) == ("user", "u1", "label/k-1")
    assert json.loads(value) == {
        "event_id": "label/k-1",
        "event_time": NOW_MS,
        "event_type": "$label",
        "user_id": "u1",
        "properties": LABEL_SAID | {"weight": 2, "author": "ann", "note": "a crawler"},
    }  # fmt: skip
    assert (answer["event_id"], answer["status"]) == ("label/k-1", "unknown_insight")
    assert answer["insight"].keys() == {"id", "at", "label", "summary", "evidence"}
    assert answer["insight"]["evidence"]["author"] == "ann"


async def test_a_label_is_no_behaviour(client: Client, worker: MemoryWorker) -> None:
    before = worker.state_of("user", "u1")
    assert before is not None
    events, last_ms, visit = before.events, before.last_ms, before.session.events
    await post(client)
    after = worker.state_of("user", "u1")
    assert after is not None
    assert (after.events, after.last_ms, after.session.events, after.labels) == (events, last_ms, visit, 1)


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k-1"}, {"Idempotency-Key": '"k-1"'}])
async def test_a_label_that_is_posted_again_is_the_same_label(
    client: Client, worker: MemoryWorker, headers: dict[str, str]
) -> None:
    _, first, _ = await post(client, headers=headers)
    status, again, _ = await post(client, headers=headers)
    assert (status, again) == (200, first)
    state = worker.state_of("user", "u1")
    assert state is not None
    assert state.labels == 1


async def test_what_is_said_or_who_says_it_makes_another_label(client: Client, worker: MemoryWorker) -> None:
    ids = []
    for change in (
        {},
        {"label": "confirmed"},
        {"weight": 2},
        {"author": "ann"},
        {"note": "x"},
        {"outcome": "buys_in_visit"},
    ):
        _, answer, _ = await post(client, LABEL | change)
        ids.append(answer["event_id"])
    assert len(set(ids)) == len(ids) == len(worker.labels)


async def test_an_answer_that_takes_longer_comes_later(client: Client, worker: MemoryWorker) -> None:
    worker.delayed_labels = False
    status, answer, headers = await post(client, headers={"Idempotency-Key": "k-1"})
    assert (status, answer) == (202, {"event_id": "label/k-1", "status": "accepted", "insight": None})
    assert headers["Location"] == "/api/v1/users/u1/insights?entity=user"


async def test_another_worker_that_has_the_user_answers(serve: Serve, worker: MemoryWorker) -> None:
    asked = MemoryWorker()
    asked.owners["u1"] = Owner(StateLocation.ELSEWHERE, str((await serve(worker)).server.make_url("/")))
    status, answer, headers = await post(await serve(asked), headers={"Idempotency-Key": "k-1", "X-Request-Id": "r-1"})
    assert (status, answer["event_id"], headers["X-Request-Id"]) == (200, "label/k-1", "r-1")
    assert (len(worker.labels), len(asked.labels)) == (1, 0)


async def test_two_workers_that_hold_each_other_for_the_owner_send_it_once(serve: Serve) -> None:
    one, other = MemoryWorker(), MemoryWorker()
    first, second = await serve(one), await serve(other)
    one.owners["u1"] = Owner(StateLocation.ELSEWHERE, str(second.server.make_url("/")))
    other.owners["u1"] = Owner(StateLocation.ELSEWHERE, str(first.server.make_url("/")))
    status, problem, headers = await post(first)
    assert (status, problem["type"]) == (503, "urn:ubi:problem:rebalancing")
    assert headers["Retry-After"] == "1"


async def test_a_broker_that_is_away_is_a_503(client: Client, worker: MemoryWorker) -> None:
    worker.takes = False
    status, problem, headers = await post(client)
    assert (status, problem["type"]) == (503, "urn:ubi:problem:broker-unavailable")
    assert headers["Retry-After"] == "2"


async def test_a_user_of_whom_nothing_is_known_is_a_404(client: Client, worker: MemoryWorker) -> None:
    status, problem, _ = await post(client, LABEL | {"user_id": "nobody"})
    assert (status, problem["type"]) == (404, "urn:ubi:problem:unknown-entity")
    assert worker.labels == []


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ({}, "user_id is missing"),
        ({"user_id": "u1"}, "label is missing"),
        ({"user_id": "", "label": True}, "user_id is empty"),
        ({"user_id": ["u1"], "label": True}, "user_id is ['u1']"),
        ({"user_id": "u1", "label": True, "weight": 0}, "weight is 0"),
        ({"user_id": "u1", "label": True, "weight": "2"}, "weight is '2'"),
        ({"user_id": "u1", "label": True, "insight_id": "7"}, "insight_id is '7'"),
        ({"user_id": "u1", "label": "bogus"}, "label is 'bogus'; there are: true, false, confirmed"),
        (
            {"user_id": "u1", "label": "bogus", "insight_id": INSIGHT},
            "accepted, implemented, ignored, dismissed",
        ),
        ({"user_id": "u1", "label": True, "outcome": "o"}, "outcome is 'o'; there are: "),
        ({"user_id": "u1", "label": True, "lable": 1}, "no member 'lable'"),
        ({"user_id": "u1", "label": True, "entity": "shop"}, "entity is not one of: user"),
        ({"user_id": "u1", "label": True, "entity": []}, "entity is not one of: user"),
        ([], "not an object"),
        ("u1", "not an object"),
    ],
)
async def test_what_is_wrong_is_named(client: Client, worker: MemoryWorker, label: Any, names: str) -> None:
    status, problem, _ = await post(client, label)
    assert (status, problem["type"]) == (400, "urn:ubi:problem:invalid-request")
    assert names in problem["detail"]
    assert worker.labels == []


@pytest.mark.parametrize("body", [b"", b"{", b'{"user_id":"u1","label":true,"weight":NaN}', b"\xff"])
async def test_what_is_no_json_is_refused(client: Client, body: bytes) -> None:
    response = await client.post(PATH, data=body, headers={"Content-Type": "application/json"})
    assert (response.status, response.content_type) == (400, "application/problem+json")


@pytest.mark.parametrize("key", ["", "a b", "k" * 201, "ü"])
async def test_a_key_is_visible_characters(client: Client, key: str) -> None:
    status, problem, _ = await post(client, headers={"Idempotency-Key": key})
    assert status == 400
    assert "Idempotency-Key" in problem["detail"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_another_sites_form_can_t_post_a_label(client: Client, worker: MemoryWorker, content_type: str) -> None:
    response = await client.post(PATH, data=json.dumps(LABEL).encode(), headers={"Content-Type": content_type})
    problem = await response.json(content_type=None)
    assert (response.status, problem["type"]) == (415, "urn:ubi:problem:unsupported-media-type")
    assert worker.labels == []


async def test_a_body_that_is_too_large_is_not_read(client: Client) -> None:
    status, problem, _ = await post(client, LABEL | {"note": "n" * MAX_LABEL_BYTES})
    assert (status, problem["type"]) == (413, "urn:ubi:problem:body-too-large")


async def test_too_many_labels_wait(client: Client, clock: ManualClock) -> None:
    statuses = [(await post(client))[0] for _ in range(LABELS_AT_ONCE + 1)]
    assert statuses == [200] * LABELS_AT_ONCE + [429]
    status, problem, headers = await post(client)
    assert (status, problem["type"], headers["Retry-After"]) == (429, "urn:ubi:problem:too-many-labels", "1")
    clock.advance_ms(round(1000 / LABELS_PER_S))
    assert (await post(client))[0] == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_labels_are_posted_and_nothing_else(client: Client, method: str) -> None:
    response = await client.request(method, PATH)
    assert (response.status, response.headers["Allow"]) == (405, "POST")


async def test_only_the_route_of_labels_takes_a_body(client: Client) -> None:
    for path in ("/api/v1/insights", "/nowhere"):
        response = await client.post(path, json=LABEL)
        problem = await response.json(content_type=None)
        assert (response.status, problem["type"]) == (413, "urn:ubi:problem:unexpected-body")

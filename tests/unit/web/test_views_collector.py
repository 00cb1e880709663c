"""Events over HTTP: keys where SDKs put them, encodings, answers and errors as clients read them, browsers."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from support.collecting import MemoryDelivery, collector
from support.web_access import Keyring, Service, as_role
from support.web_worker import NOW_MS, Client
from ubi_stream.clock import ManualClock
from ubi_stream.collector.bodies import MAX_BODY_BYTES, MAX_DECODED_BYTES
from ubi_stream.collector.delivery import OverloadedError
from ubi_stream.errors import DeliveryError, UbiError
from ubi_stream.settings import Settings
from ubi_stream.web.security.keys import KeyKind
from ubi_stream.web.security.principal import Source
from ubi_stream.web.views.collector import CollectorViews
from ubi_stream.zstd import ZstdFile

SETTINGS = Settings()
OURS: dict[str, Any] = {"event_id": "e-1", "event_time": NOW_MS, "event_type": "view", "user_id": "u-1"}
TRACK: dict[str, Any] = {"event": "Product Viewed", "userId": "u-1", "messageId": "m-1", "timestamp": NOW_MS}
CAPTURE: dict[str, Any] = {
    "event": "add_to_cart",
    "distinct_id": "u-1",
    "uuid": "p-1",
    "timestamp": "2019-10-01T00:00:00Z",
}
VIEW_CALL = {"e": "pv", "uid": "u-1", "eid": "1", "dtm": str(NOW_MS)}
INGEST = as_role("ingest")


@pytest.fixture
def delivery() -> MemoryDelivery:
    return MemoryDelivery()


@pytest.fixture
async def client(serve_routes: Service, delivery: MemoryDelivery, clock: ManualClock) -> Client:
    return await serve_routes(CollectorViews(collector(delivery), clock).routes())


async def test_our_own_events(client: Client, delivery: MemoryDelivery) -> None:
    response = await client.post("/api/v1/events", json=[OURS, OURS, OURS | {"event_type": "dance"}], headers=INGEST)
    assert response.status == 200
    assert await response.json() == {
        "accepted": 1,
        "duplicates": 1,
        "ignored": 0,
        "rejected": [
            {
                "index": 2,
                "reason": "unknown_event_type",
                "path": "$.event_type",
                "message": "the pack has no event type 'dance'",
            }
        ],
        "event_ids": ["e-1", "e-1"],
    }
    assert len(delivery.events(SETTINGS)) == 1


@pytest.mark.parametrize("path", ["/api/realtime/events", "/api/profiles/interactions"])
async def test_further_paths_of_our_own_form(client: Client, path: str) -> None:
    assert (await (await client.post(path, json=OURS, headers=INGEST)).json())["accepted"] == 1


async def test_a_cloudevent_among_our_own_is_known_by_its_headers(client: Client, delivery: MemoryDelivery) -> None:
    headers = INGEST | {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "com.example.purchase"}
    response = await client.post("/api/v1/events", data=b'{"userId": "u-1", "price": 3}', headers=headers)
    assert (await response.json())["accepted"] == 1
    assert delivery.events(SETTINGS)[0]["event_type"] == "purchase"


DIALECTS: list[tuple[str, object, object]] = [
    ("/v1/track", TRACK, {"success": True}),
    ("/v1/batch/", {"batch": [TRACK | {"type": "track"}]}, {"success": True}),
    ("/batch/", {"batch": [CAPTURE]}, {"status": "Ok"}),
    ("/i/v0/e", CAPTURE, {"status": "Ok"}),
    ("/i/v1/analytics/events", {"batch": [CAPTURE]}, {"results": {"p-1": {"result": "ok"}}}),
    (
        "/com.snowplowanalytics.snowplow/tp2",
        {"data": [{"e": "pv", "uid": "u-1", "eid": "1", "dtm": str(NOW_MS)}]},
        "ok",
    ),
]


@pytest.mark.parametrize(("path", "body", "answer"), DIALECTS)
async def test_each_dialect_is_answered_as_its_clients_expect(
    client: Client, delivery: MemoryDelivery, path: str, body: object, answer: object
) -> None:
    response = await client.post(path, json=body, headers=INGEST)
    assert response.status == 200
    text = await response.text()
    assert (json.loads(text) if text != "ok" else text) == answer
    assert [one["user_id"] for one in delivery.events(SETTINGS)] == ["u-1"]


async def test_pixels(client: Client, delivery: MemoryDelivery) -> None:
    response = await client.get("/i", params={"e": "pv", "duid": "d-1", "eid": "1", "dtm": str(NOW_MS)}, headers=INGEST)
    assert (response.status, response.content_type) == (200, "image/gif")
    assert response.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    assert len(delivery.events(SETTINGS)) == 1


def zstd(raw: bytes) -> bytes:
    packed = io.BytesIO()
    with ZstdFile(packed, "w") as file:
        file.write(raw)
    return packed.getvalue()


RAW = json.dumps({"batch": [TRACK | {"type": "track"}]}).encode()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(RAW)),
        ("deflate", zlib.compress(RAW)),
        ("zstd", zstd(RAW)),
    ],
)
async def test_encodings(client: Client, delivery: MemoryDelivery, encoding: str, body: bytes) -> None:
    response = await client.post("/v1/batch", data=body, headers=INGEST | {"Content-Encoding": encoding})
    assert response.status == 200
    assert len(delivery.events(SETTINGS)) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "invalid_json"),
        (io.BytesIO(b"x" * (MAX_BODY_BYTES + 1)), {}, 413, "body-too-large"),
        (gzip.compress(b" " * (MAX_DECODED_BYTES + 1)), {"Content-Encoding": "gzip"}, 413, "body-too-large"),
        (b"{}", {"Content-Encoding": "gzip"}, 400, "invalid-request"),
        (b"{}", {"Content-Encoding": "br"}, 415, "unsupported-media-type"),
    ],
)
async def test_errors_have_a_code_and_a_message(
    client: Client, body: bytes | io.BytesIO, headers: dict[str, str], status: int, code: str
) -> None:
    response = await client.post("/v1/batch", data=body, headers=INGEST | headers)
    document = await response.json(content_type=None)
    assert (response.status, document["code"]) == (status, code)
    assert document["message"] == document["detail"] != ""


@pytest.mark.parametrize("error", [OverloadedError("full"), DeliveryError("away")])
async def test_pressure_is_a_503_that_says_when_to_try_again(
    client: Client, delivery: MemoryDelivery, error: UbiError
) -> None:
    delivery.error = error
    response = await client.post("/v1/track", json=TRACK, headers=INGEST)
    assert response.status == 503
    assert int(response.headers["Retry-After"]) >= 1


@pytest.fixture
async def keys(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path)


@pytest.fixture
async def keyed(
    serve_routes: Service, delivery: MemoryDelivery, clock: ManualClock, keys: Keyring
) -> tuple[Client, str]:
    """A collector that takes ingest keys, and one of them, of the source `shop`."""
    key = keys.add(kind=KeyKind.INGEST, source=Source("shop"))
    return await serve_routes(CollectorViews(collector(delivery), clock).routes(), keys.settings), key


WAYS = ["basic", "bearer", "header", "writeKey", "api_key", "query", "form", "app", "pixel"]


@pytest.mark.parametrize("way", WAYS)
async def test_an_ingest_key_is_found_wherever_sdks_put_it(
    keyed: tuple[Client, str], delivery: MemoryDelivery, way: str
) -> None:
    client, key = keyed
    path, headers, query = "/v1/batch", {}, {}
    body: dict[str, Any] = {"batch": [TRACK | {"type": "track"}]}
    if way == "basic":
        headers = {"Authorization": "Basic " + b64encode(f"{key}:".encode()).decode()}
    elif way == "bearer":
        headers = {"Authorization": f"Bearer {key}"}
    elif way == "header":
        headers = {"X-Api-Key": key}
    elif way == "query":
        query = {"writeKey": key}
    elif way == "writeKey":
        body = body | {"writeKey": key}
    elif way == "app":
        path, body = "/com.snowplowanalytics.snowplow/tp2", {"data": [VIEW_CALL | {"aid": key}]}
    elif way == "pixel":
        response = await client.get("/i", params=VIEW_CALL | {"aid": key})
        assert response.status == 200
        assert len(delivery.events(SETTINGS)) == 1
        return
    else:
        path, body = "/e/", CAPTURE | {"api_key": key}
    data: Any = json.dumps(body)
    if way == "form":
        data = {"data": b64encode(json.dumps(body).encode()).decode()}
    response = await client.post(path, data=data, headers=headers, params=query)
    assert response.status == 200, await response.text()
    assert len(delivery.events(SETTINGS)) == 1


async def test_the_source_of_the_key_is_in_its_dead_letters(
    keyed: tuple[Client, str], delivery: MemoryDelivery
) -> None:
    client, key = keyed
    await client.post("/api/v1/events", json=OURS | {"user_id": None}, headers={"X-Api-Key": key})
    assert delivery.dead_letters(SETTINGS)[0]["source"]["topic"] == "collector/shop"


@pytest.mark.parametrize("key", [None, "wk_123", "ubi_ingest_x_00000000"])
async def test_without_a_good_key_nothing_is_taken(
    keyed: tuple[Client, str], delivery: MemoryDelivery, key: str | None
) -> None:
    client, _ = keyed
    response = await client.post("/v1/track", json=TRACK | {"writeKey": key})
    assert response.status == 401
    assert (await response.json(content_type=None))["code"] == "unauthenticated"
    assert delivery.sent == []


async def test_a_key_for_another_pack_is_told_so(
    serve_routes: Service, delivery: MemoryDelivery, clock: ManualClock, keys: Keyring
) -> None:
    key = keys.add(kind=KeyKind.INGEST, source=Source("tills", pack="payments"))
    client = await serve_routes(CollectorViews(collector(delivery), clock).routes(), keys.settings)
    response = await client.post("/v1/track", json=TRACK, headers={"X-Api-Key": key})
    assert response.status == 403
    assert "payments" in (await response.json(content_type=None))["message"]


async def test_a_page_of_another_site_may_send(client: Client) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,sp-anonymous",
    }
    for path in ("/v1/t", "/e/", "/com.snowplowanalytics.snowplow/tp2", "/api/v1/events"):
        response = await client.options(path, headers=asked)
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert response.headers["Access-Control-Allow-Headers"] == "content-type,sp-anonymous"
        with_cookies = response.headers.get("Access-Control-Allow-Credentials")
        assert with_cookies == ("true" if "snowplow" in path else None)
    response = await client.post("/v1/t", json=TRACK, headers=INGEST | {"Origin": "https://shop.example"})
    assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


async def test_only_named_origins_may_send_where_some_are_named(
    serve_routes: Service, delivery: MemoryDelivery, clock: ManualClock
) -> None:
    views = CollectorViews(collector(delivery), clock, origins="https://shop.example")
    client = await serve_routes(views.routes())
    for origin, allowed in (("https://shop.example", True), ("https://evil.example", False)):
        response = await client.options("/v1/t", headers={"Origin": origin})
        assert ("Access-Control-Allow-Origin" in response.headers) is allowed


async def test_a_sender_of_cloudevents_asks_whether_it_may(client: Client) -> None:
    response = await client.options("/api/v1/cloudevents", headers={"WebHook-Request-Origin": "events.example"})
    assert response.headers["WebHook-Allowed-Origin"] == "events.example"


async def test_a_dry_run_shows_events_and_what_is_wrong_and_sends_nothing(
    client: Client, delivery: MemoryDelivery
) -> None:
    body = {"batch": [TRACK | {"type": "track"}, {"type": "group", "userId": "u"}, {"type": "track", "userId": "u"}]}
    response = await client.post("/api/v1/events/validate", params={"dialect": "segment"}, json=body, headers=INGEST)
    document = await response.json()
    assert document["valid"] is False
    assert document["events"] == [
        {
            "event_id": "m-1", "event_type": "view", "user_id": "u-1", "event_time": NOW_MS, "properties": {},
            "context": {},
        },
        None,
        None,
    ]  # fmt: skip
    assert document["ignored"] == [{"index": 1, "why": "group"}]
    assert [(one["index"], one["path"]) for one in document["rejected"]] == [(2, "$.event")]
    assert delivery.sent == []
    response = await client.post("/api/v1/events/validate", params={"dialect": "x"}, json=body, headers=INGEST)
    assert response.status == 400

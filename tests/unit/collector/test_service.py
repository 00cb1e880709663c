"""What became of each call: delivered once, set aside with its reason, or known already."""

from __future__ import annotations

import base64
import json

import pytest

from support.collecting import NOW, NOW_MS, MemoryDelivery, collector, request
from ubi_stream.collector import replies
from ubi_stream.collector.delivery import OverloadedError
from ubi_stream.collector.registry import OWN, POSTHOG, SEGMENT
from ubi_stream.collector.service import named_mappings, receipt_document
from ubi_stream.errors import ConfigError, DeliveryError
from ubi_stream.settings import Settings

SETTINGS = Settings()


def local(number: int, **changes: object) -> dict[str, object]:
    return {"event_id": f"e-{number}", "event_time": NOW, "event_type": "view", "user_id": "u-1"} | changes


async def test_events_go_under_their_users_key_and_bad_ones_to_the_dead_letters() -> None:
    delivery = MemoryDelivery()
    service = collector(delivery)
    bad = local(2, event_type="dance")
    receipt = await service.take(
        OWN, request("/api/v1/events", [local(1), bad, local(3, event_type="purchase")]), "shop"
    )
    assert receipt_document(receipt) == {
        "accepted": 2,
        "duplicates": 0,
        "ignored": 0,
        "rejected": [
            {
                "index": 1,
                "reason": "unknown_event_type",
                "path": "$.event_type",
                "message": "the pack has no event type 'dance'",
            }
        ],
        "event_ids": ["e-1", "e-3"],
    }
    assert [one["event_id"] for one in delivery.events(SETTINGS)] == ["e-1", "e-3"]
    assert [(one.key, one.urgent) for one in delivery.sent if one.topic == SETTINGS.events_topic] == [
        (b"u-1", False),
        (b"u-1", True),
    ]
    (letter,) = delivery.dead_letters(SETTINGS)
    assert json.loads(base64.b64decode(letter["value_base64"])) == bad
    assert letter["source"] | {"offset": 0} == {
        "topic": "collector/shop", "partition": 0, "offset": 0, "timestamp_ms": NOW_MS,
    }  # fmt: skip


async def test_what_comes_twice_counts_once_within_a_request_and_after_it() -> None:
    delivery = MemoryDelivery()
    service = collector(delivery)
    first = await service.take(OWN, request("/", [local(1), local(1), local(2)]), "shop")
    again = await service.take(OWN, request("/", [local(1), local(2), local(3), local(1, user_id="u-2")]), "shop")
    assert (first.accepted, len(first.duplicates)) == (2, 1)
    assert (again.accepted, sorted(again.duplicates)) == (2, [0, 1])
    assert len(delivery.events(SETTINGS)) == 4


@pytest.mark.parametrize("error", [OverloadedError("full"), DeliveryError("away")])
async def test_what_kafka_did_not_take_is_not_known_when_it_comes_again(error: Exception) -> None:
    delivery = MemoryDelivery()
    service = collector(delivery)
    delivery.error = error  # type: ignore[assignment]  # both are errors of ours
    with pytest.raises(type(error)):
        await service.take(OWN, request("/", local(1)), "shop")
    delivery.error = None
    assert (await service.take(OWN, request("/", local(1)), "shop")).accepted == 1


async def test_a_dead_letter_that_comes_twice_is_one_by_its_id() -> None:
    delivery = MemoryDelivery()
    service = collector(delivery)
    for _ in range(2):
        await service.take(OWN, request("/", local(2, event_type="dance")), "shop")
    one, two = delivery.dead_letters(SETTINGS)
    assert one["id"] == two["id"]


async def test_the_answers_of_the_dialects() -> None:
    service = collector(MemoryDelivery())
    good = {"event": "add_to_cart", "distinct_id": "u-1", "uuid": "e-1", "timestamp": NOW}
    body = {"batch": [good, good | {"uuid": "e-2", "event": "dance"}]}
    receipt = await service.take(POSTHOG, request("/i/v1/analytics/events", body), "shop")
    assert json.loads(replies.posthog_v1(receipt).body) == {
        "results": {
            "e-1": {"result": "ok"},
            "e-2": {
                "result": "drop",
                "details": "unknown_event_type at $.event_type: the pack has no event type 'dance'",
            },
        }
    }
    assert json.loads(replies.posthog_v0(receipt).body)["status"] == "Ok"
    assert [one["index"] for one in json.loads(replies.segment(receipt).body)["rejected"]] == [1]
    assert replies.text_ok(receipt).body == b"ok"
    assert replies.pixel(receipt).body.startswith(b"GIF89a")
    quiet = await service.take(POSTHOG, request("/batch", good), "shop")
    assert json.loads(replies.segment(quiet).body) == {"success": True}


def test_a_dry_run_sends_nothing() -> None:
    delivery = MemoryDelivery()
    read = collector(delivery).check(OWN, request("/", [local(1), local(2, event_type="dance")]), "shop")
    assert len(read.outcomes) == 2
    assert delivery.sent == []


def test_a_source_may_have_a_mapping_of_its_own() -> None:
    service = collector(MemoryDelivery(), source_mappings="app/segment=segment")
    assert service.check(SEGMENT, request("/v1/track", {"event": "x", "userId": "u"}), "app").outcomes


@pytest.mark.parametrize(
    "text",
    [
        "segment",
        "own=segment",
        "segmnt=x",
        "segment=nowhere",
        "segment=matomo",
        "app/segment=nowhere",
        "app/segment=matomo",
        "a/=x",
    ],
)
def test_a_wrong_mapping_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ConfigError):
        collector(MemoryDelivery(), source_mappings=text)


def test_no_mappings_named() -> None:
    assert named_mappings(" , ") == {}

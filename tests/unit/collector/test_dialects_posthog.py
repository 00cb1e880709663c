"""Events as PostHog's libraries send them: V0, V1, forms, and what makes no user."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from support.collecting import NOW, NOW_MS, event, intake, request
from ubi_stream.collector.bodies import MAX_DECODED_BYTES
from ubi_stream.collector.intake import Left, Outcome, Rejected
from ubi_stream.collector.registry import POSTHOG
from ubi_stream.collector.request import BadRequestError

ADD: dict[str, Any] = {
    "event": "add_to_cart", "distinct_id": "u-1", "uuid": "e-1", "timestamp": NOW, "properties": {"price": 3},
}  # fmt: skip


def read(body: object, path: str = "/batch/", **more: Any) -> list[Outcome]:
    return intake().read(POSTHOG, request(path, body, **more)).outcomes


def test_a_batch_and_a_single_event_are_the_same() -> None:
    (one,) = read({"api_key": "k", "batch": [ADD], "sent_at": NOW})
    (two,) = read({"api_key": "k", **ADD}, "/capture/")
    assert event(one) == event(two) | {"event_time": NOW_MS}
    assert event(two) == {
        "event_id": "e-1", "event_type": "cart", "user_id": "u-1", "event_time": NOW, "properties": {"price": 3.0},
        "context": {},
    }  # fmt: skip


def packed(document: object) -> list[bytes]:
    """All ways in which libraries of browsers write a body."""
    raw = json.dumps(document).encode()
    text = base64.b64encode(raw).decode()
    return [
        gzip.compress(raw),
        urlencode({"data": text}).encode(),
        f"data={text}".encode(),
        text.encode(),
        base64.b64encode(gzip.compress(raw)),
        urlencode({"data": raw.decode()}).encode(),
    ]


@pytest.mark.parametrize("way", range(6))
def test_bodies_of_browsers_are_read(way: int) -> None:
    body = packed([ADD | {"properties": {"price": 3, "token": "k"}}])[way]
    (one,) = read(body, "/e/")
    assert event(one)["event_type"] == "cart"


def test_an_event_in_the_query_is_read() -> None:
    (one,) = read(b"", "/e/", query={"data": base64.b64encode(json.dumps(ADD).encode()).decode()})
    assert event(one)["event_id"] == "e-1"


def test_the_id_may_be_among_the_properties_and_a_long_one_is_shortened() -> None:
    call = ADD | {"distinct_id": None, "properties": {"distinct_id": "u" * 300}}
    (one,) = read(call, "/capture")
    assert event(one)["user_id"] == "u" * 200


def test_time_of_sending_corrects_the_clock_unless_the_event_says_not_to() -> None:
    slow = ADD | {"timestamp": "2025-11-24T14:59:00+00:00"}
    (one,) = read({"batch": [slow], "sent_at": "2025-11-24T15:00:00Z"})
    assert event(one)["event_time"] == NOW_MS - 60_000
    (one,) = read({"batch": [slow | {"properties": {"$ignore_sent_at": True}}], "sent_at": "2025-11-24T15:00:00Z"})
    assert event(one)["event_time"] == "2025-11-24T14:59:00+00:00"


def test_an_offset_is_milliseconds_before_the_arrival() -> None:
    call = {name: value for name, value in ADD.items() if name != "timestamp"}
    (one,) = read(call | {"offset": 1_500}, "/e")
    assert event(one)["event_time"] == NOW_MS - 1_500


def test_a_time_far_ahead_is_that_of_the_arrival() -> None:
    (one,) = read(ADD | {"timestamp": "2025-11-26T16:00:00Z"}, "/e")
    assert event(one)["event_time"] == NOW_MS


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ({"event": "$groupidentify", "distinct_id": "5c3b", "properties": {"$group_type": "org"}}, "group"),
        ({"event": "$set", "distinct_id": "u-1", "$set": {"plan": "x"}}, "traits"),
        ({"event": "$identify", "distinct_id": "u-1", "properties": {"$set": {"plan": "x"}}}, "traits"),
        (ADD | {"distinct_id": "9f-random", "properties": {"$process_person_profile": False}}, "personless"),
        ({"event": "$autocapture", "distinct_id": "u-1"}, "left_out"),
    ],
)
def test_what_is_no_behaviour_of_a_person_makes_no_user(call: dict[str, Any], why: str) -> None:
    assert read(call, "/e") == [Left(why)]


def test_an_anonymous_visitor_with_a_device_is_somebody_who_comes_back() -> None:
    (one,) = read(ADD | {"properties": {"$process_person_profile": False, "$device_id": "u-1"}}, "/e")
    assert event(one)["user_id"] == "u-1"


def test_v1_carries_the_session_beside_the_properties() -> None:
    body = {"created_at": NOW, "batch": [ADD | {"session_id": "s-1", "options": {}}]}
    read_ = intake().read(POSTHOG, request("/i/v1/analytics/events", body))
    assert read_.names == ["e-1"]
    assert event(read_.outcomes[0])["session_id"] == "s-1"


def test_a_bad_event_is_set_aside_and_its_neighbour_passes() -> None:
    bad, good = read({"batch": [ADD | {"distinct_id": ""}, ADD]})
    assert isinstance(bad, Rejected)
    assert (bad.reason, bad.letter.path) == ("missing_field", "$.distinct_id")
    assert event(good)["event_id"] == "e-1"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (gzip.compress(b" " * (MAX_DECODED_BYTES + 1), mtime=0), "body_too_large"),
        (gzip.compress(b"{}", mtime=0)[:-3], "invalid_encoding"),
        (b"\x1f\x8bno gzip", "invalid_encoding"),
        (b"data=%%%", "invalid_encoding"),
        (b'"text"', "invalid_encoding"),
        (b"", "empty_body"),
    ],
)
def test_a_body_that_can_not_be_read_is_refused_as_a_whole(body: bytes, code: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        read(body, "/e/")
    assert raised.value.code == code

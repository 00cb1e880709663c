"""Calls as Segment's and RudderStack's libraries send them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.collecting import NOW, NOW_MS, event, intake, refused, request
from ubi_stream.collector.intake import Accepted, Left, Outcome
from ubi_stream.collector.registry import SEGMENT
from ubi_stream.collector.request import BadRequestError

VIEW = {
    "type": "track", "event": "Product Viewed", "userId": "u-1", "anonymousId": None, "messageId": "m-1",
    "timestamp": NOW, "properties": {"price": 5},
}  # fmt: skip


def read(path: str, body: object, **more: Any) -> list[Outcome]:
    return intake().read(SEGMENT, request(path, body, **more)).outcomes


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/batch/", "/v1/b", "/v1/import", "/beacon/v1/batch"])
def test_a_batch_is_its_calls(path: str) -> None:
    one, two = read(path, {"batch": [VIEW, VIEW | {"messageId": "m-2", "event": "Order Completed"}], "writeKey": "k"})
    assert event(one) == {
        "event_id": "m-1", "event_type": "view", "user_id": "u-1", "event_time": NOW, "properties": {"price": 5.0},
        "context": {},
    }  # fmt: skip
    assert event(two)["event_type"] == "purchase"
    assert isinstance(two, Accepted)
    assert two.urgent


@pytest.mark.parametrize("path", ["/v1/track", "/v1/t", "/v1/track/"])
def test_the_path_names_the_kind_of_a_single_call(path: str) -> None:
    call = {name: value for name, value in VIEW.items() if name != "type"}
    (one,) = read(path, call)
    assert event(one)["event_type"] == "view"


def test_pages_and_screens_are_page_views() -> None:
    for kind in ("page", "screen"):
        (one,) = read(f"/v1/{kind}", {"anonymousId": "a-1", "messageId": "m", "name": "Home"})
        assert event(one)["event_type"] == "page_view"
        assert event(one)["user_id"] == "a-1"


def test_what_a_batch_says_of_all_its_calls_is_said_of_each_and_a_call_of_its_own_wins() -> None:
    calls = [VIEW, VIEW | {"messageId": "m-2", "context": {"timezone": "Europe/Rome"}}]
    context = {"timezone": "Europe/Berlin"}
    one, two = read("/v1/batch", {"batch": calls, "context": context})
    assert event(one)["context"] == {"timezone": "Europe/Berlin"}
    assert event(two)["context"] == {"timezone": "Europe/Rome"}


def test_a_clock_that_is_an_hour_slow_is_corrected_and_seconds_of_transit_are_no_skew() -> None:
    slow = VIEW | {"timestamp": "2025-11-24T14:59:00Z"}
    (one,) = read("/v1/batch", {"batch": [slow], "sentAt": "2025-11-24T15:00:00Z"})
    assert event(one)["event_time"] == NOW_MS - 60_000
    (one,) = read("/v1/batch", {"batch": [VIEW], "sentAt": "2025-11-24T15:59:50Z"})
    assert event(one)["event_time"] == NOW_MS


def test_a_call_that_waited_three_days_in_a_phone_keeps_its_time() -> None:
    (one,) = read("/v1/batch", {"batch": [VIEW | {"timestamp": "2025-11-21T16:00:00Z"}], "sentAt": NOW})
    assert event(one)["event_time"] == NOW_MS - 3 * 86_400_000


def test_a_call_without_a_time_happened_when_it_came() -> None:
    call = {name: value for name, value in VIEW.items() if name != "timestamp"}
    (one,) = read("/v1/batch", {"batch": [call], "sentAt": "2025-11-24T10:00:00Z"})
    assert event(one)["event_time"] == NOW_MS


def test_a_missing_message_id_is_a_hash_of_the_content_whenever_it_is_sent() -> None:
    call = {name: value for name, value in VIEW.items() if name != "messageId"}
    (one,) = read("/v1/batch", {"batch": [call], "sentAt": NOW})
    (again,) = read("/v1/batch", {"batch": [call], "sentAt": "2025-11-24T16:00:09Z"}, at_ms=NOW_MS + 9_000)
    (other,) = read("/v1/batch", {"batch": [call | {"userId": "u-2"}]})
    assert event(one)["event_id"] == event(again)["event_id"] != event(other)["event_id"]


def test_numbers_are_ids() -> None:
    (one,) = read("/v1/track", VIEW | {"userId": 17})
    assert event(one)["user_id"] == "17"


def test_one_bad_call_does_not_stop_its_neighbours() -> None:
    bad = [
        7,
        VIEW | {"userId": None},
        VIEW | {"event": None},
        VIEW | {"type": "shout"},
        VIEW | {"event": "Nothing Of The Pack"},
        VIEW | {"properties": {"price": "much"}},
        {"type": "alias", "userId": "u-1"},
    ]
    found = read("/v1/batch", {"batch": [VIEW, *bad, VIEW | {"messageId": "m-9"}]})
    assert event(found[0])["event_id"] == "m-1"
    assert event(found[-1])["event_id"] == "m-9"
    assert [refused(one) for one in found[1:-1]] == [
        ("wrong_type", "$"),
        ("missing_field", "$.userId"),
        ("missing_field", "$.event"),
        ("invalid_value", "$.type"),
        ("unknown_event_type", "$.event_type"),
        ("wrong_type", "$.properties.price"),
        ("missing_field", "$.previousId"),
    ]


def test_a_group_call_makes_no_user() -> None:
    assert read("/v1/group", {"groupId": "g-1", "userId": "u-1"}) == [Left("group")]


def test_an_identify_call_with_an_anonymous_id_is_a_command_under_the_id_that_goes() -> None:
    call = {"userId": "u-1", "anonymousId": "a-1", "messageId": "m-1", "timestamp": NOW, "traits": {"plan": "x"}}
    (one,) = read("/v1/identify", call)
    assert event(one) == {
        "event_id": "m-1", "event_type": "$identify", "user_id": "u-1", "event_time": NOW,
        "properties": {"anonymous_id": "a-1"},
    }  # fmt: skip
    assert isinstance(one, Accepted)
    assert one.key == b"a-1"
    (two,) = read("/v1/alias", {"userId": "u-2", "previousId": "u-1", "messageId": "m-2"})
    assert isinstance(two, Accepted)
    assert (event(two)["event_type"], two.key) == ("$alias", b"u-1")


def test_an_identify_call_without_an_anonymous_id_is_traits_alone() -> None:
    assert read("/v1/identify", {"userId": "u-1", "context": {"traits": {"plan": "x"}}}) == [Left("traits")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (b"{", "invalid_json"),
        (b"[]", "invalid_json"),
        (b'{"batch": {}}', "invalid_batch"),
        (b'{"batch": []}', "empty_batch"),
        (b'{"batch": [' + b"1," * 5_000 + b"1]}", "too_many_events"),
        (json.dumps({"batch": [1], "context": dict.fromkeys(map(str, range(300)), 1)}).encode(), "invalid_batch"),
    ],
)
def test_a_body_that_holds_no_calls_is_refused_as_a_whole(body: bytes, code: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        read("/v1/batch", body)
    assert raised.value.code == code


def test_a_pixel_has_its_call_in_the_query() -> None:
    query = {"event": "Product Viewed", "userId": "u-1", "messageId": "m", "writeKey": "k"}
    (one,) = read("/pixel/v1/track", b"", query=query)
    assert event(one)["event_type"] == "view"

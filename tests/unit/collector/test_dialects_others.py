"""Snowplow, OpenSearch UBI, CloudEvents, our own form, and the forms of older products."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from support.collecting import NOW, NOW_MS, event, intake, refused, request
from ubi_stream.collector.intake import Accepted, Left, Outcome, Rejected
from ubi_stream.collector.registry import (
    CLOUDEVENTS,
    OPENSEARCH_UBI,
    OWN,
    RECOMMENDATION_INTERACTION,
    SNOWPLOW,
    TRANSACTION,
    Dialect,
)
from ubi_stream.collector.request import BadRequestError
from ubi_stream.events.hiding import read_found
from ubi_stream.events.model import Record
from ubi_stream.privacy.rules import Action

TP2 = "/com.snowplowanalytics.snowplow/tp2"


def read(dialect: Dialect, body: object, path: str = "/", **more: Any) -> list[Outcome]:
    return intake().read(dialect, request(path, body, **more)).outcomes


def payload(*calls: dict[str, str]) -> dict[str, Any]:
    return {"schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4", "data": list(calls)}


def test_snowplow_events_of_all_kinds() -> None:
    described = {
        "schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0",
        "data": {"schema": "iglu:com.acme/site_search/jsonschema/1-0-0", "data": {"terms": ["hat"]}},
    }
    px = base64.urlsafe_b64encode(json.dumps(described).encode()).decode().rstrip("=")
    base = {"uid": "u-1", "dtm": str(NOW_MS)}
    calls = [
        base | {"e": "pv", "eid": "1", "url": "http://shop.example/hats?x=1", "page": "Hats"},
        base | {"e": "se", "eid": "2", "se_ca": "shop", "se_ac": "add_to_cart", "se_pr": "p-1", "se_va": "9.5"},
        base | {"e": "ue", "eid": "3", "ue_px": px},
        base | {"e": "ue", "eid": "4", "ue_pr": json.dumps(described)},
    ]
    found = [event(one) for one in read(SNOWPLOW, payload(*calls), TP2)]
    assert [(one["event_id"], one["event_type"]) for one in found] == [
        ("1", "page_view"),
        ("2", "cart"),
        ("3", "search"),
        ("4", "search"),
    ]
    assert found[0]["properties"] == {"page": "/hats"}
    assert found[1]["properties"] == {"price": 9.5, "category": "shop", "product_id": "p-1"}
    assert {one["event_time"] for one in found} == {NOW_MS}


def test_snowplow_times() -> None:
    call = {"e": "pv", "uid": "u-1", "eid": "1", "dtm": str(NOW_MS - 3_660_000), "stm": str(NOW_MS - 3_600_000)}
    corrected, true = read(SNOWPLOW, payload(call, call | {"ttm": str(NOW_MS - 5)}), TP2)
    assert event(corrected)["event_time"] == NOW_MS - 60_000
    assert event(true)["event_time"] == NOW_MS - 5


def test_snowplow_pixel_and_what_is_wrong() -> None:
    (one,) = read(SNOWPLOW, b"", "/i", query={"e": "pv", "duid": "d-1", "eid": "1", "dtm": str(NOW_MS)})
    assert event(one)["user_id"] == "d-1"
    found = read(
        SNOWPLOW,
        payload(
            {"e": "pv"}, {"uid": "u"}, {"e": "xx", "uid": "u"}, {"e": "ue", "uid": "u", "ue_px": "=="},
            {"e": "pp", "uid": "u"}, {"e": "pv", "uid": "u", "eid": "1", "dtm": "yesterday"},
        ),
        TP2,
    )  # fmt: skip
    assert found.pop(4) == Left("page_ping")
    assert [refused(one) for one in found] == [
        ("missing_field", "$.uid"),
        ("missing_field", "$.e"),
        ("invalid_value", "$.e"),
        ("invalid_value", "$.ue_pr"),
        ("invalid_value", "$.event_time"),
    ]
    with pytest.raises(BadRequestError, match="pixel"):
        read(SNOWPLOW, b"", "/i")


def test_opensearch_ubi_strict_lax_and_queries() -> None:
    strict = {
        "action_name": "add_to_cart", "timestamp": NOW, "user_id": "u-1", "client_id": "c-1", "session_id": "s-1",
        "query_id": "q-1", "event_attributes": {"object": {"object_id": 17}, "position": {"ordinal": 3}},
    }  # fmt: skip
    lax = {
        "action_name": "click",
        "timestamp": NOW,
        "user_id": "",
        "client_id": "c-1",
        "event_attributes": {"position": {}},
    }
    one, two, shown = read(OPENSEARCH_UBI, [strict, lax, lax | {"action_name": "impression"}], "/ubi_events")
    assert event(one) | {"event_id": ""} == {
        "event_id": "", "event_time": NOW, "event_type": "cart", "user_id": "u-1", "session_id": "s-1",
        "properties": {"product_id": "17", "position": 3.0, "query_id": "q-1"},
    }  # fmt: skip
    assert (event(two)["user_id"], event(two)["event_type"]) == ("c-1", "view")
    assert shown == Left("left_out")
    (query,) = read(OPENSEARCH_UBI, {"user_query": "hat", "client_id": "c-1", "query_id": "q"}, "/ubi_queries")
    assert event(query)["event_type"] == "search"
    found = read(
        OPENSEARCH_UBI, [{"timestamp": NOW}, {"action_name": "click"}, {"action_name": "click", "timestamp": NOW}]
    )
    assert [refused(bad) for bad in found] == [
        ("missing_field", "$.action_name"),
        ("missing_field", "$.timestamp"),
        ("missing_field", "$.user_id"),
    ]


CE = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/shop%20one", "ce-type": "com.example.purchase"}


def test_cloudevents_in_all_modes_are_the_same_event() -> None:
    data = {"userId": "u-1", "price": 3}
    document = {
        "specversion": "1.0", "id": "1", "source": "/shop one", "type": "com.example.purchase", "time": NOW,
        "data": data,
    }  # fmt: skip
    modes = [
        (data, CE | {"ce-time": NOW}),  # without a Content-Type, as a known library sends it
        (document, {"content-type": "application/cloudevents+json; charset=utf-8"}),
        ([document], {"content-type": "application/cloudevents-batch+json"}),
    ]
    found = [event(one) for body, headers in modes for one in read(CLOUDEVENTS, body, headers=headers)]
    assert found[0] == found[1] == found[2]
    assert (found[0]["event_id"], found[0]["event_type"], found[0]["user_id"]) == ("/shop one 1", "purchase", "u-1")


def test_cloudevents_that_record_an_action_and_bad_ones() -> None:
    recorded = CE | {"ce-type": "com.example.UserActionRecorded"}
    (one,) = read(CLOUDEVENTS, {"userId": "u-1", "action": "search"}, headers=recorded)
    assert event(one)["event_type"] == "search"
    (none,) = read(CLOUDEVENTS, {"userId": "u-1"}, headers=recorded)
    assert refused(none) == ("missing_field", "$.data.action")
    (old,) = read(CLOUDEVENTS, {}, headers=CE | {"ce-specversion": "0.3"})
    assert refused(old) == ("invalid_value", "$.specversion")
    (bare,) = read(CLOUDEVENTS, {"id": "1"}, headers={"content-type": "application/cloudevents+json"})
    assert refused(bare) == ("missing_field", "$.specversion")


OURS = {"event_id": "e-1", "event_time": NOW, "event_type": "view", "user_id": "u-1", "properties": {"price": 2}}


@pytest.mark.parametrize("body", [OURS, [OURS], {"events": [OURS]}])
def test_our_own_form_one_by_one_and_in_lists(body: object) -> None:
    (one,) = read(OWN, body)
    assert event(one) == OURS


@pytest.mark.parametrize("kind", ["$erase", "$label", "$split", "$merge"])
def test_commands_are_refused(kind: str) -> None:
    (one,) = read(OWN, OURS | {"event_type": kind})
    assert refused(one) == ("invalid_value", "$.event_type")


def test_an_event_nested_too_deep_is_set_aside() -> None:
    deep: Any = 1
    for _ in range(9):
        deep = {"a": deep}
    one, good = read(OWN, [OURS | {"properties": deep}, OURS])
    assert refused(one) == ("too_deep", "$")
    assert event(good) == OURS


def test_coaching_events_become_properties() -> None:
    body = {
        "user_id": "u-1", "event_type": "search", "timestamp": NOW,
        "event_data": {"page_url": "/x", "session_id": "s-1", "additional_data": {"terms": "hat"}},
    }  # fmt: skip
    (one,) = read(OWN, body)
    found = event(one)
    assert found["session_id"] == "s-1"
    assert found["properties"] == {"terms": "hat", "page_url": "/x"}
    (bad,) = read(OWN, body | {"event_data": 3})
    assert refused(bad) == ("wrong_type", "$.event_data")


def test_risk_logs_put_the_amount_where_the_pack_has_it() -> None:
    (one,) = read(OWN, {"user_id": "u", "timestamp": NOW, "action": "purchase", "amount": 20, "category": "c"})
    assert event(one)["properties"] == {"price": 20, "category": "c"}


def test_routes_of_coaching_take_the_user_from_the_token() -> None:
    body = {"recommendation_id": "r-1", "interaction_type": "click", "user_id": "somebody else"}
    (one,) = read(RECOMMENDATION_INTERACTION, body, subject="u-1")
    assert isinstance(one, Rejected)  # the shop's pack has no such type
    found = json.loads(one.letter.record.value or b"")
    assert (found["user_id"], found["event_type"]) == ("u-1", "recommendation_interaction")
    assert found["properties"] == {"recommendation_id": "r-1", "interaction_type": "click"}
    (two,) = read(TRANSACTION, {"user_id": "u-2", "amount": 5})
    assert isinstance(two, Rejected)
    assert json.loads(two.letter.record.value or b"")["user_id"] == "u-2"


CALL = {
    "userId": "u-1",
    "callerPhone": "+49 30 123456",
    "callType": "incoming",
    "outcome": "rejected",
    "timestamp": NOW,
}


def test_a_callers_number_is_kept_as_a_keyed_hash_alone() -> None:
    (one,) = read(OWN, CALL | {"duration": 3, "metadata": {"line": 1}})
    assert isinstance(one, Rejected)  # the shop's pack has no such type
    raw = one.letter.record.value or b""
    assert b"123456" not in raw
    found = json.loads(raw)
    assert (found["event_type"], found["user_id"]) == ("call_rejected", "u-1")
    caller = found["properties"].pop("caller")
    assert len(caller) == 32
    assert found["properties"] == {"line": 1, "caller_prefix": "+4930", "caller_length": 10, "duration_s": 3}
    (same,) = read(OWN, CALL | {"callerPhone": "004930123456", "outcome": "answered"})
    assert isinstance(same, Rejected)
    assert json.loads(same.letter.record.value or b"")["properties"]["caller"] == caller


@pytest.mark.parametrize(
    "change", [{"callType": "x"}, {"outcome": "x"}, {"callerPhone": "123456"}, {"callerPhone": "+123456789x"}]
)
def test_a_refused_call_is_set_aside_without_its_number(change: dict[str, Any]) -> None:
    (one,) = read(OWN, CALL | change)
    assert refused(one) == ("invalid_value", f"$.{next(iter(change))}")
    assert isinstance(one, Rejected)
    assert b"123456" not in (one.letter.record.value or b"")


def test_without_a_key_no_number_is_taken() -> None:
    found = intake(hash_key=b"").read(OWN, request("/", CALL)).outcomes
    assert refused(found[0]) == ("invalid_value", "$.callerPhone")


def test_interactions_keep_their_action() -> None:
    (one,) = read(OWN, {"userId": "u-1", "action": "block", "context": {"a": 1}, "timestamp": NOW})
    assert isinstance(one, Rejected)
    found = json.loads(one.letter.record.value or b"")
    assert (found["event_type"], found["properties"]) == ("interaction", {"a": 1, "action": "block"})


def test_a_snowplow_event_of_a_device_and_a_user_says_that_both_are_one_and_says_it_once() -> None:
    call = {"e": "pv", "uid": "u-1", "duid": "d-1", "dtm": str(NOW_MS)}
    link, *views = read(SNOWPLOW, payload(call | {"eid": "1"}, call | {"eid": "2"}), TP2)
    assert (event(link)["event_type"], event(link)["user_id"]) == ("$identify", "u-1")
    assert [event(one)["user_id"] for one in views] == ["u-1", "u-1"]
    again, *_ = read(SNOWPLOW, payload(call | {"eid": "3", "dtm": str(NOW_MS - 1)}), TP2)
    assert event(again)["event_id"] == event(link)["event_id"]


def test_what_is_hidden_reaches_neither_events_nor_dead_letters() -> None:
    secret = {"password": "hunter2", "text": "write to ann@shop.example"}
    good, bad, raw, withheld = read(
        OWN,
        [
            OURS | {"properties": secret},
            OURS | {"event_type": "dance", "properties": secret},
            {"event_type": "$erase", "note": "ann@shop.example"},
            OURS | {"context": {"consent": False}},
        ],
    )
    assert isinstance(good, Accepted)
    assert isinstance(bad, Rejected)
    assert isinstance(raw, Rejected)
    for value in (good.value, bad.letter.record.value or b"", raw.letter.record.value or b""):
        assert value
        assert b"hunter2" not in value
        assert b"ann@" not in value
    assert withheld == Left("no_consent")
    record = Record("ubi.events", 0, 0, NOW_MS, good.key, good.value, good.headers)
    assert read_found(record) == (("password", "secret", Action.MASK), ("text", "email", Action.MASK))

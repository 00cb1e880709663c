"""Rows become events: renames, types, ids, delayed events in time order, and nothing lost."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ubi_stream.data.records import FileRow, ProducerRecord
from ubi_stream.data.transform import map_rows
from ubi_stream.mappings import ids
from ubi_stream.mappings.model import Mapping, load_mapping

MakeMapping = Callable[..., Mapping]
SHOP = """
description = "A shop"
[file]
empty = ["NULL"]
[event]
event_time = { column = "t", format = "s" }
event_type = { column = "e", values = { buy = "purchase", "7" = "login" } }
user_id = "u"
session_id = "s"
[properties]
price = { column = "p", type = "number" }
channel = { constant = "web" }
nested = { column = "a.b", type = "json" }
[context]
utc_offset_min = { constant = 120 }
"""
LABELLED = """
description = "Payments and their labels"
[event]
event_time = { column = "t", format = "s" }
event_type = { constant = "payment" }
user_id = "u"
[[also]]
after = "10s"
event_type = { constant = "$label" }
properties = { fraud = { column = "f", type = "bool" } }
"""


def rows(*values: dict[str, Any]) -> list[FileRow]:
    return [FileRow(dict(one), str(one)) for one in values]


def records(mapping: Mapping, given_rows: Iterable[FileRow]) -> list[ProducerRecord]:
    return list(map_rows(mapping, given_rows))


def event_of(record: ProducerRecord) -> dict[str, Any]:
    assert record.value is not None
    event = orjson.loads(record.value)
    assert isinstance(event, dict)
    return event


def test_a_row_becomes_an_event(make_mapping: MakeMapping) -> None:
    row = {"t": "5", "e": "buy", "u": "u1", "s": "s1", "p": "3.50", "a": {"b": [1]}, "unused": "x"}
    [record] = records(make_mapping(SHOP), rows(row))
    event = event_of(record)
    assert len(event.pop("event_id")) == 32
    assert event == {
        "event_time": 5000,
        "event_type": "purchase",
        "user_id": "u1",
        "session_id": "s1",
        "properties": {"price": 3.5, "channel": "web", "nested": [1]},
        "context": {"utc_offset_min": 120},
    }
    assert (record.key, record.time_ms) == (b"u1", 5000)


def test_zone_and_currency_are_those_of_the_mapping_where_the_row_names_none(make_mapping: MakeMapping) -> None:
    head = 'default_timezone = "Europe/Berlin"\ncurrency = "EUR"\n'
    row = {"t": "5", "e": "buy", "u": "u1", "z": "Asia/Tokyo"}
    context = [
        event_of(records(make_mapping(head + text), rows(row))[0])["context"]
        for text in (
            SHOP,
            SHOP.replace("utc_offset_min = { constant = 120 }", 'timezone = "z"'),
            SHOP.replace("utc_offset_min = { constant = 120 }", 'timezone = "nowhere"'),
        )
    ]
    assert context == [
        {"utc_offset_min": 120, "currency": "EUR"},
        {"timezone": "Asia/Tokyo", "currency": "EUR"},
        {"timezone": "Europe/Berlin", "currency": "EUR"},
    ]


def test_empty_cells_are_left_out(make_mapping: MakeMapping) -> None:
    row = {"t": "5", "e": "view", "u": "", "s": "NULL", "p": math.nan, "a": None}
    [record] = records(make_mapping(SHOP), rows(row))
    event = event_of(record)
    assert "user_id" not in event
    assert "session_id" not in event
    assert event["properties"] == {"channel": "web"}
    assert record.key is None


def test_what_the_mapping_cannot_read_nobody_else_reads_by_other_rules(make_mapping: MakeMapping) -> None:
    [record] = records(make_mapping(SHOP), rows({"t": "2026-07-02", "e": "??", "u": "u1", "p": "1_0"}))
    event = event_of(record)
    assert event["event_time"] == {"unreadable": "2026-07-02"}, "a pattern of seconds: not an ISO time in UTC"
    assert (event["event_type"], event["properties"]["price"]) == ("??", {"unreadable": "1_0"})
    assert record.time_ms is None


def test_renames_also_match_numbers(make_mapping: MakeMapping) -> None:
    [record] = records(make_mapping(SHOP), rows({"t": 5, "e": 7, "u": 41}))
    assert event_of(record)["event_type"] == "login"
    assert event_of(record)["user_id"] == "41"


def test_ids_are_the_same_in_every_run_and_identical_rows_stay_distinct(make_mapping: MakeMapping) -> None:
    row = {"t": "5", "e": "view", "u": "u1"}
    given_rows = rows(row, {**row, "t": "6"}, row, row)
    first, second = ([event_of(r)["event_id"] for r in records(make_mapping(SHOP), given_rows)] for _ in range(2))
    other = [event_of(r)["event_id"] for r in records(make_mapping(SHOP, "other"), given_rows)]
    assert first == second
    assert len(set(first)) == 4
    assert set(first).isdisjoint(other)


def test_identical_rows_beyond_the_window_share_an_id(
    make_mapping: MakeMapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ids, "OCCURRENCE_WINDOW", 3)
    same, others = {"t": "5", "e": "view", "u": "u1"}, [{"t": str(n), "e": "view", "u": "u1"} for n in range(10, 16)]
    found = [event_of(r)["event_id"] for r in records(make_mapping(SHOP), rows(same, same, *others, same))]
    assert found[0] != found[1]
    assert found[0] == found[-1], "memory is bounded: after two windows a row is forgotten"


def test_an_id_column_is_taken_as_it_is(make_mapping: MakeMapping) -> None:
    mapping = make_mapping(SHOP.replace('user_id = "u"', 'user_id = "u"\nevent_id = "id"'))
    with_id, without = records(mapping, rows({"t": "5", "id": 17, "u": "u1"}, {"t": "5", "id": "", "u": "u1"}))
    assert event_of(with_id)["event_id"] == "17"
    assert len(event_of(without)["event_id"]) == 32


def test_delayed_events_come_in_time_order(make_mapping: MakeMapping) -> None:
    # row:    0s      5s      10s      11s               30s
    # label:                  10s(0)        15s(5) 20s 21s     40s
    given_rows = rows(*({"t": t, "u": "u1", "f": t == 5} for t in (0, 5, 10, 11, 30)))
    result = records(make_mapping(LABELLED), given_rows)
    seen = [(r.time_ms or 0) // 1000 for r in result], [event_of(r)["event_type"] for r in result]
    p, label = "payment", "$label"
    assert seen == ([0, 5, 10, 10, 11, 15, 20, 21, 30, 40], [p, p, label, p, p, label, label, label, p, label])
    assert [event_of(r)["properties"]["fraud"] for r in result if event_of(r)["event_type"] == label] == [
        False,
        True,
        False,
        False,
        False,
    ]


def test_a_delayed_event_of_a_row_without_time_follows_it_at_once(make_mapping: MakeMapping) -> None:
    result = records(make_mapping(LABELLED), rows({"t": "soon", "u": "u1", "f": "1"}, {"t": 1, "u": "u1"}))
    assert [event_of(r).get("event_time") for r in result] == [
        {"unreadable": "soon"},
        {"unreadable": "soon"},
        1000,
        11_000,
    ]


def test_an_unreadable_row_counts_as_the_events_it_should_have_been(make_mapping: MakeMapping) -> None:
    result = records(make_mapping(LABELLED), [FileRow(None, "1,2,caf\udce9")])
    assert [(record.key, record.value) for record in result] == [(None, b"1,2,caf\xe9")] * 2


def test_what_json_cannot_hold_is_passed_on_raw(make_mapping: MakeMapping) -> None:
    [record] = records(make_mapping(SHOP), [FileRow({"t": "5", "u": "caf\udce9"}, b"the raw row", 7)])
    assert (record.key, record.value, record.time_ms, record.row) == (None, b"the raw row", 5000, 7)
    assert "not UTF-8" in record.fault


def test_numbers_of_any_length_keep_their_digits(make_mapping: MakeMapping) -> None:
    mapping = make_mapping(SHOP.replace('{ column = "p", type = "number" }', '{ column = "p", type = "json" }'))
    [record] = records(mapping, rows({"t": "5", "u": 38120938471029384710293847102938471001, "p": 2**70}))
    assert record.key == b"38120938471029384710293847102938471001"
    assert record.value is not None
    assert b'"price":%d' % 2**70 in record.value


@pytest.mark.parametrize("rounded", [1.5, 2.0**60])
def test_a_float_that_may_have_lost_digits_is_no_id(make_mapping: MakeMapping, rounded: float) -> None:
    [record] = records(make_mapping(SHOP), rows({"t": "5", "u": rounded}))
    assert record.key is None
    assert event_of(record)["user_id"] == rounded


def test_a_row_without_text_is_shown_by_its_values(make_mapping: MakeMapping) -> None:
    [record] = records(make_mapping(SHOP), [FileRow({"t": "5", "u": "caf\udce9"}, b"")])
    assert record.value is not None
    assert record.value.startswith(b"{'t': '5', 'u': 'caf")


def test_rows_that_are_events_keep_their_content() -> None:
    own = load_mapping("own")
    event = {"event_id": "e1", "event_time": "2019-10-01T00:00:00Z", "user_id": 5, "extra": [1], "sent_at": None}
    [record] = records(own, rows(event))
    assert event_of(record) == {key: value for key, value in event.items() if value is not None}
    assert (record.key, record.time_ms) == (b"5", 1_569_888_000_000)


@pytest.mark.parametrize("user", [None, True, 1.5, ["u1"]])
def test_rows_that_are_events_without_a_usable_user_have_no_key(user: Any) -> None:
    [record] = records(load_mapping("own"), rows({"event_time": 5, "user_id": user}))
    assert (record.key, record.time_ms) == (None, 5)
    assert len(event_of(record)["event_id"]) == 32


def test_an_empty_event_still_gets_an_id() -> None:
    [record] = records(load_mapping("own"), rows({}))
    assert list(event_of(record)) == ["event_id"]


def test_json_lines_that_are_events_keep_their_bytes() -> None:
    raw = b'{ "event_id": "e1", "event_time":5.0, "user_id":38120938471029384710293847102938471001, "a":null }'
    values = msgspec.json.decode(raw)
    [record] = records(load_mapping("own"), [FileRow(values, raw)])
    assert (record.key, record.value) == (b"38120938471029384710293847102938471001", raw)


def test_parquet_types_become_json(make_mapping: MakeMapping) -> None:
    mapping = make_mapping(SHOP.replace('type = "number"', 'type = "json"').replace('format = "s"', 'format = "iso"'))
    day = datetime(2019, 10, 1, tzinfo=UTC)
    [first, second] = records(mapping, rows({"t": day, "p": "ab"}, {"t": day, "p": {"at": day}}))
    assert event_of(first)["properties"]["price"] == "ab"
    assert event_of(second)["properties"]["price"] == {"at": "2019-10-01T00:00:00+00:00"}


cells = st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.booleans(), st.binary(), st.lists(st.integers()))
any_rows = st.lists(st.dictionaries(st.sampled_from(["t", "u", "f", "e", "p", "s", "a"]), cells), max_size=8)


# A first example of so many kinds takes seconds on a machine with other work to do, which is no fault of the strategy.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(any_rows)
def test_every_row_gives_exactly_its_events_whatever_it_holds(values: list[dict[str, Any]]) -> None:
    mapping = Mapping.model_validate(
        {
            "description": "Anything",
            "event": {"event_time": {"column": "t", "format": "s"}, "event_type": "e", "user_id": "u"},
            "properties": {"price": {"column": "p", "type": "number"}, "any": {"column": "a", "type": "json"}},
            "also": [{"after": "1h", "event_type": {"constant": "later"}}],
        }
    )
    result = records(mapping, rows(*values))
    assert len(result) == 2 * len(values)
    found = [orjson.loads(r.value or b"")["event_id"] for r in result if (r.value or b"").startswith(b'{"event_id"')]
    assert len(set(found)) == len(found)

"""Files of other products as they come: other columns, rows of other kinds; nothing is lost silently."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from support.files import case, processed
from support.forms import AT, AT_S, access_line, snowplow_line
from ubi_stream.data.source import ReplaySource
from ubi_stream.mappings.model import load_mapping

CASES = [
    ("ga4.csv", "ga4"),
    ("segment.jsonl", "segment"),
    ("posthog.jsonl", "posthog"),
    ("shopify.csv", "shopify_orders"),
    ("access.log", "access_log"),
]


def read(path: Path, mapping: str) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Events of a file, and the rows that were left out."""
    with ReplaySource(path, mapping) as source:
        found = [orjson.loads(record.value or b"") for record in source]
        assert not source.unread
        return found, dict(source.left_out)


@pytest.mark.parametrize(("file", "mapping"), CASES)
def test_a_file_of_this_form_is_events_dead_letters_that_say_why_and_rows_left_out(file: str, mapping: str) -> None:
    path = case(f"forms/{file}")
    found = processed(path, mapping)
    with ReplaySource(path, mapping) as source:
        events = sum(1 for _ in source)
        assert source.rows_read == events + source.left_out.total()
        assert not source.unread
    assert found.tally.accepted.total() + len(found.dead_letters) == events
    assert {letter.reason for letter in found.dead_letters} <= {"unknown_event_type"}
    assert found.tally.accepted.total() > 0.8 * events


def test_a_variant_of_a_table_has_another_order_more_columns_and_fewer(tmp_path: Path) -> None:
    with case("forms/ga4.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in reversed(rows[0]) if name not in ("geo_country", "item_category")]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [*names, "stream_id"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(row | {"stream_id": "9"} for row in rows)
    (tmp_path / "ga4.csv").write_text(text.getvalue(), encoding="utf-8-sig")
    found, _ = read(tmp_path / "ga4.csv", "ga4")
    expected, _ = read(case("forms/ga4.csv"), "ga4")
    without = ("category", "country")
    for event in expected:
        event["properties"] = {name: value for name, value in event["properties"].items() if name not in without}
    assert [event | {"event_id": ""} for event in found] == [event | {"event_id": ""} for event in expected]


def test_a_table_without_a_column_that_every_event_needs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ga4.csv").write_text("event_name,event_timestamp\nview_item,5\n", encoding="utf-8")
    with pytest.raises(Exception, match=r"has no column 'user_id' or 'user_pseudo_id', which event\.user_id needs"):
        ReplaySource(tmp_path / "ga4.csv", "ga4")


def test_an_order_of_several_things_is_one_purchase(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(
        "Name,Email,Financial Status,Total,Created at,Lineitem name\n"
        "#1,a@shop.example,paid,20.00,2026-11-20 09:00:12 +0100,Shoe\n"
        "#1,a@shop.example,,,2026-11-20 09:00:12 +0100,Sock\n",
        encoding="utf-8",
    )
    events, left_out = read(tmp_path / "orders.csv", "shopify_orders")
    assert [(event["event_time"], event["properties"]["price"]) for event in events] == [(AT_S, 20.0)]
    assert left_out == {"Total is empty": 1}


def test_events_of_a_table_whose_properties_are_json_are_read_too(tmp_path: Path) -> None:
    properties = json.dumps({"$session_id": "s-1", "revenue": 5, "$timezone": "Europe/Berlin"}).replace('"', '""')
    (tmp_path / "events.csv").write_text(
        f'uuid,event,properties,distinct_id,timestamp\ne-1,order_completed,"{properties}",d-1,{AT}\n', encoding="utf-8"
    )
    [event], _ = read(tmp_path / "events.csv", "posthog")
    assert event["session_id"] == "s-1"
    assert event["properties"] == {"price": 5.0}
    assert event["context"] == {"timezone": "Europe/Berlin"}


def test_every_action_of_a_visit_is_an_event(tmp_path: Path) -> None:
    actions = [
        {"type": "action", "timestamp": AT_S // 1000, "url": "https://shop.example/"},
        {"type": "action", "timestamp": AT_S // 1000 + 5, "productViewSku": "A4", "productViewPrice": 9.5},
        {"type": "outlink", "timestamp": AT_S // 1000 + 6},
    ]
    rows = [{"idVisit": 1, "visitorId": "v-1", "actionDetails": actions}, {"idVisit": 2, "visitorId": "v-2"}]
    (tmp_path / "visits.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    events, left_out = read(tmp_path / "visits.jsonl", "matomo")
    assert [event.get("event_type") for event in events] == ["page_view", "view", None]
    assert [event["session_id"] for event in events] == ["1", "1", "2"]
    assert left_out == {"actionDetails.type = outlink": 1}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (access_line("GET /hats HTTP/1.1"), {"page": "/hats", "category": "hats"}),
        (access_line("GET /hats HTTP/2.0", ip="2001:db8::1"), {"page": "/hats"}),
        (access_line('GET /hats?q=\\"x\\" HTTP/1.1'.replace('\\"', "%22")), {"page": "/hats?q=%22x%22"}),
        (access_line("GET /a HTTP/1.1", agent=r'"a \"quoted\" agent"'), {"page": "/a"}),
        (access_line("GET /a HTTP/1.1", more=' "-" rt=0.125 uct="0.001"'), {"latency_ms": 125.0}),
        ('192.0.2.1 - - [20/Nov/2026:09:00:12 +0100] "GET / HTTP/1.0" 304 -\n', {"page": "/", "status": 304}),
        ("shop.example:443 " + access_line("GET /b HTTP/1.1"), {"page": "/b"}),
    ],
)
def test_variants_of_the_access_log(tmp_path: Path, line: str, expected: dict[str, Any]) -> None:
    (tmp_path / "access.log.1").write_text(line, encoding="utf-8")
    [event], _ = read(tmp_path / "access.log.1", "access_log")
    assert event["event_time"] == AT_S
    assert expected.items() <= event["properties"].items()
    assert "192.0.2.1" not in str(event)


def test_a_logged_in_user_is_known_by_name_and_what_is_no_visit_is_left_out(tmp_path: Path) -> None:
    lines = [
        access_line("GET /a HTTP/1.1").replace(" - - ", " - ann "),
        access_line("GET /logo.png HTTP/1.1"),
        access_line("HEAD / HTTP/1.1"),
        access_line(r"\x16\x03\x01"),
        "not a line of the log\n",
    ]
    (tmp_path / "access.log").write_text("".join(lines), encoding="utf-8")
    with ReplaySource(tmp_path / "access.log", "access_log") as source:
        first, broken = list(source)
        assert first.key == b"ann"
        assert (broken.value, broken.row) == (b"not a line of the log", 5)
        assert "file.pattern" in broken.fault
        assert source.left_out["method = HEAD"] == source.left_out["method is empty"] == 1
        assert source.left_out.total() == 3


def test_events_of_the_shop_plug_in_of_snowplow(tmp_path: Path) -> None:
    data = {"schema": "iglu:x", "data": {"schema": "iglu:y", "data": {"type": "product_view"}}}
    common = {"collector_tstamp": "2026-11-20 08:00:12.000", "domain_userid": "d-1"}
    lines = [
        snowplow_line(event="unstruct", event_name="ecommerce_action", unstruct_event=json.dumps(data), **common),
        snowplow_line(event="page_view", event_name="page_view", **common),
        snowplow_line(event="page_ping", event_name="page_ping", **common),
        snowplow_line(event="transaction", event_name="transaction", tr_total="39.80", **common),
    ]
    (tmp_path / "enriched.tsv").write_text("".join(lines), encoding="utf-8")
    events, left_out = read(tmp_path / "enriched.tsv", "snowplow")
    assert [event["event_type"] for event in events] == ["view", "page_view", "purchase"]
    assert {event["event_time"] for event in events} == {AT_S}
    assert left_out == {"event = page_ping": 1}


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("com.example.shop.item.viewed", "view"),
        ("com.example.shop.page_view.v1", "page_view"),
        ("order.completed", "purchase"),
        ("shop.cart.item.added", "cart"),
        ("shop.add_to_cart", "cart"),
        ("shop.removed-from-cart", "remove_from_cart"),
        ("shop/checkout", "checkout"),
        ("com.example.user.logged-in", "login"),
        ("com.example.review", "com.example.review"),
        ("com.example.preview", "com.example.preview"),
    ],
)
def test_the_last_part_of_a_type_says_what_happened(tmp_path: Path, type_: str, expected: str) -> None:
    row = {"specversion": "1.0", "id": "1", "source": "/s", "type": type_, "time": AT, "subject": "u-1"}
    (tmp_path / "events.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    [event], _ = read(tmp_path / "events.jsonl", "cloudevents")
    assert (event["event_type"], event["user_id"]) == (expected, "u-1")


def test_the_fields_of_the_enriched_stream_are_131() -> None:
    assert len(load_mapping("snowplow").file.columns or ()) == 131

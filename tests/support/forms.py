"""Rows in the forms of other products, written by what their makers document, and what they become."""

from __future__ import annotations

import json
from typing import Any, Final

from ubi_stream.mappings.ids import hidden
from ubi_stream.mappings.model import load_mapping

AT: Final = "2026-11-20T08:00:12.371Z"
AT_MS: Final = 1_795_161_612_371
AT_S: Final = 1_795_161_612_000


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row) + "\n"


def snowplow_line(**fields: str) -> str:
    """A line of the enriched stream with these fields; the others are empty."""
    columns = load_mapping("snowplow").file.columns or ()
    assert set(fields) <= set(columns)
    return "\t".join(fields.get(column, "") for column in columns) + "\n"


def access_line(request: str, *, ip: str = "192.0.2.1", agent: str = '"Mozilla/5.0 (X11)"', more: str = "") -> str:
    """A line of the combined log."""
    return f'{ip} - - [20/Nov/2026:09:00:12 +0100] "{request}" 200 512 "https://ref.example/" {agent}{more}\n'


FORMS: Final[dict[str, tuple[str, list[dict[str, Any]]]]] = {
    "ga4": (
        _line(
            {
                "event_date": "20261120",
                "event_timestamp": str(AT_MS * 1000),
                "event_name": "add_to_cart",
                "event_params": [
                    {"key": "ga_session_id", "value": {"int_value": "17"}},
                    {"key": "currency", "value": {"string_value": "EUR"}},
                    {"key": "value", "value": {"double_value": 19.9}},
                    {"key": "page_location", "value": {"string_value": "https://shop.example/hats"}},
                ],
                "user_id": None,
                "user_pseudo_id": "5.6",
                "device": {"category": "mobile"},
                "geo": {"country": "Germany"},
                "items": [{"item_id": "A4", "item_category": "hats"}],
            }
        ),
        [
            {
                "event_time": AT_MS,
                "event_type": "cart",
                "user_id": "5.6",
                "session_id": "5.6 17",
                "properties": {
                    "price": 19.9,
                    "category": "hats",
                    "product_id": "A4",
                    "page": "https://shop.example/hats",
                    "device": "mobile",
                    "country": "Germany",
                },
                "context": {"currency": "EUR"},
            }
        ],
    ),
    "segment": (
        _line(
            {
                "type": "track",
                "event": "Order Completed",
                "messageId": "m-1",
                "anonymousId": "a-1",
                "userId": "u-1",
                "timestamp": AT,
                "properties": {"revenue": "39.80", "currency": "EUR", "products": [{"product_id": "A4"}]},
                "context": {"timezone": "Europe/Berlin", "sessionId": 17, "page": {"path": "/done"}, "ip": "192.0.2.1"},
            }
        )
        + _line({"type": "page", "name": "Hats", "messageId": "m-2", "anonymousId": "a-2", "originalTimestamp": AT}),
        [
            {
                "event_id": "m-1",
                "event_time": AT_MS,
                "event_type": "purchase",
                "user_id": "u-1",
                "session_id": "17",
                "properties": {"price": 39.8, "product_id": "A4", "page": "/done"},
                "context": {"currency": "EUR", "timezone": "Europe/Berlin"},
            },
            {
                "event_id": "m-2",
                "event_time": AT_MS,
                "event_type": "page_view",
                "user_id": "a-2",
                "properties": {},
                "context": {},
            },
        ],
    ),
    "posthog": (
        _line(
            {
                "uuid": "0190-1",
                "event": "$pageview",
                "distinct_id": "d-1",
                "timestamp": "2026-11-20 08:00:12.371000+00:00",
                "properties": {"$session_id": "s-1", "$pathname": "/hats", "$timezone": "Europe/Berlin"},
            }
        ),
        [
            {
                "event_id": "0190-1",
                "event_time": AT_MS,
                "event_type": "page_view",
                "user_id": "d-1",
                "session_id": "s-1",
                "properties": {"page": "/hats"},
                "context": {"timezone": "Europe/Berlin"},
            }
        ],
    ),
    "matomo": (
        _line(
            {
                "idVisit": 7,
                "visitorId": "b6f2",
                "userId": None,
                "siteCurrency": "EUR",
                "actionDetails": [
                    {
                        "type": "ecommerceOrder",
                        "timestamp": AT_S // 1000,
                        "orderId": "o-1",
                        "revenue": "39.80",
                        "itemDetails": [{"itemSKU": "A4", "itemCategory": "hats"}],
                    }
                ],
            }
        ),
        [
            {
                "event_time": AT_S,
                "event_type": "purchase",
                "user_id": "b6f2",
                "session_id": "7",
                "properties": {"price": 39.8, "category": "hats", "product_id": "A4", "order_id": "o-1"},
                "context": {"currency": "EUR"},
            }
        ],
    ),
    "shopify_orders": (
        "Name,Email,Financial Status,Paid at,Currency,Total,Created at,Lineitem name,Lineitem sku\n"
        '#1001,u@shop.example,paid,2026-11-20 09:00:13 +0100,EUR,"1,199.50",2026-11-20 09:00:12 +0100,Shoe,A4\n',
        [
            {
                "event_id": "#1001",
                "event_time": AT_S,
                "event_type": "purchase",
                "user_id": hidden(b"", "u@shop.example"),
                "properties": {
                    "price": 1199.5,
                    "order": "#1001",
                    "product": "Shoe",
                    "product_id": "A4",
                    "status": "paid",
                },
                "context": {"currency": "EUR"},
            }
        ],
    ),
    "snowplow": (
        snowplow_line(
            event="struct",
            event_name="event",
            event_id="e-1",
            collector_tstamp="2026-11-20 08:00:13.000",
            derived_tstamp="2026-11-20 08:00:12.371",
            domain_userid="d-1",
            domain_sessionid="s-1",
            se_action="add-to-basket",
            se_category="hats",
            se_property="A4",
            se_value="19.9",
            os_timezone="Europe/Berlin",
        ),
        [
            {
                "event_id": "e-1",
                "event_time": AT_MS,
                "event_type": "cart",
                "user_id": "d-1",
                "session_id": "s-1",
                "properties": {"price": 19.9, "category": "hats", "product_id": "A4"},
                "context": {"timezone": "Europe/Berlin"},
            }
        ],
    ),
    "access_log": (
        access_line("GET /hats/a4?x=1 HTTP/1.1", more=" 0.250"),
        [
            {
                "event_time": AT_S,
                "event_type": "page_view",
                "user_id": hidden(b"", "192.0.2.1 Mozilla/5.0 (X11)"),
                "properties": {
                    "page": "/hats/a4?x=1",
                    "category": "hats",
                    "method": "GET",
                    "status": 200,
                    "bytes": 512,
                    "latency_ms": 250.0,
                    "referrer": "https://ref.example/",
                },
            }
        ],
    ),
    "cloudevents": (
        _line(
            {
                "specversion": "1.0",
                "id": "e-1",
                "source": "/shop",
                "type": "com.example.shop.purchase",
                "time": AT,
                "subject": "u-2",
                "data": {"user_id": "u-1", "price": 19.9, "currency": "EUR"},
            }
        ),
        [
            {
                "event_id": "/shop e-1",
                "event_time": AT_MS,
                "event_type": "purchase",
                "user_id": "u-1",
                "properties": {"price": 19.9, "source": "/shop"},
                "context": {"currency": "EUR"},
            }
        ],
    ),
    "opensearch_ubi": (
        _line(
            {
                "action_name": "add_to_cart",
                "timestamp": AT,
                "user_id": "u-1",
                "client_id": "c-1",
                "session_id": "s-1",
                "query_id": "q-1",
                "application": "shop",
                "event_attributes": {"object": {"object_id": "A4", "price": 19.9}, "position": {"ordinal": 3}},
            }
        ),
        [
            {
                "event_time": AT_MS,
                "event_type": "cart",
                "user_id": "u-1",
                "session_id": "s-1",
                "properties": {
                    "price": 19.9,
                    "product_id": "A4",
                    "position": 3.0,
                    "query_id": "q-1",
                    "application": "shop",
                },
            }
        ],
    ),
}

"""OpenSearch User Behavior Insights 1.3: events and queries, as one object or a list. Strict senders and lax ones."""

from __future__ import annotations

from typing import Any

from ubi_stream.collector.bodies import read_calls, read_json
from ubi_stream.collector.fields import id_of, object_of
from ubi_stream.collector.request import BadRequestError, Call, CollectorRequest, Reception, Row, missing


def split(request: CollectorRequest) -> list[Any]:
    """The events of a request; a query is one whose action is a search."""
    document = read_json(request.body)
    calls = read_calls(document, "the list") if isinstance(document, list) else [document]
    if not isinstance(calls[0], dict) and len(calls) == 1:
        raise BadRequestError("invalid_json", "The body is neither an object nor a list of them")
    if "ubi_queries" not in request.path:
        return calls
    return [{"action_name": "search"} | call if isinstance(call, dict) else call for call in calls]


def read(call: dict[str, Any], at: Reception) -> Call:
    """One event or query."""
    if id_of(call.get("action_name")) is None:
        return missing("action_name")
    is_query = "user_query" in call and call["action_name"] == "search"
    if call.get("timestamp") is None and not is_query:
        return missing("timestamp")
    inner = object_of(object_of(call.get("event_attributes")).get("object"))
    user_id = id_of(call.get("user_id")) or id_of(inner.get("user_id")) or id_of(call.get("client_id"))
    if user_id is None:
        return missing("user_id", "the event has neither user_id nor client_id")
    return Row(call | {"user_id": user_id}, call.get("timestamp"))

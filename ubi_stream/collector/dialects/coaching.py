"""Coaching: `{user_id, event_type, event_data: {page_url, …, additional_data}, timestamp}`, and two routes."""

from __future__ import annotations

from typing import Any, Final

from ubi_stream.collector.bodies import read_json
from ubi_stream.collector.fields import object_of, without_nulls
from ubi_stream.collector.request import BadRequestError, Call, CollectorRequest, Ready, Reception, wrong_type

_OUTER: Final = ("user_id", "event_id", "timestamp", "event_time", "session_id", "context", "sent_at")


def knows(call: dict[str, Any]) -> bool:
    """Whether a call is of this form."""
    return "event_data" in call and "event_type" in call


def read(call: dict[str, Any], at: Reception) -> Call:
    """One event; what is in `event_data` and its `additional_data` becomes properties."""
    data = call.get("event_data")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        return wrong_type("event_data", "an object")
    inner = {name: value for name, value in data.items() if name not in ("additional_data", "session_id")}
    event = {
        "event_id": call.get("event_id"),
        "event_time": call.get("timestamp", at.received_ms),
        "event_type": call["event_type"],
        "user_id": call.get("user_id"),
        "session_id": data.get("session_id", call.get("session_id")),
        "context": call.get("context"),
        "sent_at": call.get("sent_at"),
        "properties": without_nulls(object_of(data.get("additional_data")) | inner),
    }
    return Ready(without_nulls(event))


def split_interaction(request: CollectorRequest) -> list[Any]:
    """An interaction with a recommendation: `{recommendation_id, interaction_type}` of the token's user."""
    return [_about(request, "recommendation_interaction")]


def split_transaction(request: CollectorRequest) -> list[Any]:
    """A transaction: its properties, of the token's user."""
    return [_about(request, "transaction_creation")]


def _about(request: CollectorRequest, event_type: str) -> dict[str, Any]:
    document = read_json(request.body)
    if not isinstance(document, dict):
        raise BadRequestError("invalid_json", "The body is no JSON object")
    outer = {name: document[name] for name in _OUTER if name in document}
    if "event_time" in outer:
        outer["timestamp"] = outer.pop("event_time")
    if request.subject is not None:
        outer["user_id"] = request.subject
    data = {name: value for name, value in document.items() if name not in _OUTER}
    return outer | {"event_type": event_type, "event_data": data}

"""Lines of a risk log: `{user_id, timestamp, action, category, amount, session_id}`."""

from __future__ import annotations

from typing import Any

from ubi_stream.collector.fields import without_nulls
from ubi_stream.collector.request import Call, Ready, Reception


def knows(call: dict[str, Any]) -> bool:
    """Whether a call is of this form."""
    return "action" in call and "user_id" in call and "event_type" not in call


def read(call: dict[str, Any], at: Reception) -> Call:
    """One action; its amount goes where the pack has the money of an event."""
    event = {
        "event_id": call.get("event_id"),
        "event_time": call.get("timestamp", at.received_ms),
        "event_type": call["action"],
        "user_id": call["user_id"],
        "session_id": call.get("session_id"),
        "properties": without_nulls({"category": call.get("category"), at.amount: call.get("amount")}),
    }
    return Ready(without_nulls(event))

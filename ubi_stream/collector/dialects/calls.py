"""Calls: `CallEvent {userId, callerPhone, callType, outcome, timestamp, duration?, metadata}` and `InteractionEvent`.

A caller's number is personal data. It is kept as its keyed hash alone, with its first digits and its length.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ubi_stream.collector.fields import id_of, object_of, without_nulls
from ubi_stream.collector.request import Call, Ready, Reception, Refusal, missing
from ubi_stream.mappings.ids import hidden
from ubi_stream.reasons import DeadLetterReason

_OUTCOMES: Final = ("answered", "rejected", "ai_handled")
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_MARKS: Final = re.compile(r"[\s().\-/]")
_PREFIX_DIGITS: Final = 4
"""Enough for country and network, far too few for a person."""


def knows(call: dict[str, Any]) -> bool:
    """Whether a call is of one of both forms."""
    return "userId" in call and ("callerPhone" in call or "callType" in call or "action" in call)


def read(call: dict[str, Any], at: Reception) -> Call:
    """One call, or one interaction."""
    if "callerPhone" not in call and "callType" not in call:
        properties = object_of(call.get("context")) | {"action": call["action"]}
        return Ready(_event(call, "interaction", properties, at))
    if call.get("callType") == "outgoing":
        event_type = "outgoing"
    elif call.get("callType") != "incoming":
        return _refused(call, "callType", "callType is neither incoming nor outgoing")
    elif call.get("outcome") not in _OUTCOMES:
        return _refused(call, "outcome", f"outcome is none of {', '.join(_OUTCOMES)}")
    else:
        event_type = f"call_{call['outcome']}"
    number = caller_number(call.get("callerPhone"))
    if number is None:
        if call.get("callerPhone") is None:
            return missing("callerPhone")
        return _refused(call, "callerPhone", "callerPhone is no number in the international form, such as +4930123456")
    if not at.hash_key:
        return _refused(call, "callerPhone", "UBI_PII_KEY is not set: numbers are kept as keyed hashes alone")
    properties = object_of(call.get("metadata")) | {
        "caller": hidden(at.hash_key, number),
        "caller_prefix": number[: 1 + _PREFIX_DIGITS],
        "caller_length": len(number) - 1,
        "duration_s": call.get("duration"),
    }
    return Ready(_event(call, event_type, properties, at))


def caller_number(value: object) -> str | None:
    """A number in the form of E.164; None where it is none.

    >>> caller_number("+49 (30) 123-456"), caller_number("0049301234567"), caller_number("112")
    ('+4930123456', '+49301234567', None)
    """
    text = _MARKS.sub("", id_of(value) or "")
    text = "+" + text[2:] if text.startswith("00") else text
    return text if _NUMBER.fullmatch(text) else None


def _event(call: dict[str, Any], event_type: str, properties: dict[str, Any], at: Reception) -> dict[str, Any]:
    event = {
        "event_id": call.get("eventId", call.get("event_id")),
        "event_time": call.get("timestamp", at.received_ms),
        "event_type": event_type,
        "user_id": call.get("userId"),
        "session_id": call.get("sessionId"),
        "properties": without_nulls(properties),
    }
    return without_nulls(event)


def _refused(call: dict[str, Any], field: str, message: str) -> Refusal:
    kept = call | {"callerPhone": None}
    return Refusal(DeadLetterReason.INVALID_VALUE, f"$.{field}", message, kept)

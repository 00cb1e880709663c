"""PostHog: capture V0 (single events, batches, forms) and V1 (a result for each event)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from ubi_stream.collector.bodies import form_field, from_base64, inflated, read_calls, read_json
from ubi_stream.collector.fields import id_of, object_of
from ubi_stream.collector.identity import alias, identify
from ubi_stream.collector.request import (
    BadRequestError,
    Call,
    CollectorRequest,
    Ignored,
    Reception,
    Row,
    missing,
)

MAX_ID_CHARACTERS: Final = 200
"""A longer distinct id is shortened, as senders of this dialect expect."""
_MAX_AHEAD_MS: Final = 23 * 3600 * 1000
_NO_BEHAVIOUR: Final = frozenset(("$set", "$set_once", "$groupidentify", "$unset", "$merge_dangerously"))


def split(request: CollectorRequest) -> list[Any]:
    """The events of a request, each with the time when all of them were sent."""
    document = _document(request)
    if isinstance(document, list):
        return read_calls(document, "the list")
    if not isinstance(document, dict):
        raise BadRequestError("invalid_json", "The body is neither an object nor a list")
    if "batch" not in document:
        return [{name: value for name, value in document.items() if name not in ("api_key", "token")}]
    sent_at = document.get("sent_at")
    if sent_at is None:
        sent_at = request.headers.get("posthog-request-timestamp")
    return [
        call | {"sent_at": call.get("sent_at", sent_at)} if isinstance(call, dict) and sent_at is not None else call
        for call in read_calls(document["batch"])
    ]


def _document(request: CollectorRequest) -> Any:
    """The body: JSON, packed JSON, or a form or query with `data`, which is JSON in base64."""
    body = inflated(request.body)
    data: str | bytes | None = request.query.get("data") if not body else None
    if body and body.lstrip()[:1] not in (b"{", b"["):
        found = form_field(body, "data")
        data = found if found is not None else body
    if data is None:
        return read_json(body)
    if isinstance(data, str) and data.lstrip()[:1] in ("{", "["):
        return read_json(data.encode())
    try:
        return read_json(inflated(from_base64(data)))
    except ValueError:
        raise BadRequestError("invalid_encoding", "The body is neither JSON nor base64 of it") from None


def read(call: dict[str, Any], at: Reception) -> Call:
    """One event."""
    event, properties = id_of(call.get("event")), object_of(call.get("properties"))
    if event is None:
        return missing("event")
    user_id = id_of(call.get("distinct_id")) or id_of(properties.get("distinct_id"))
    if user_id is None:
        return missing("distinct_id")
    user_id = user_id[:MAX_ID_CHARACTERS]
    if event in _NO_BEHAVIOUR:  # group_identify() even brings a random id, which is nobody's
        return Ignored("group" if event == "$groupidentify" else "traits")
    time, sent_at = _time(call, properties, at.received_ms)
    if event == "$identify":
        anonymous = id_of(properties.get("$anon_distinct_id"))
        return identify(anonymous, user_id, at=time, sent_at=sent_at, event_id=call.get("uuid"))
    if event in ("$create_alias", "$alias"):
        known = id_of(properties.get("alias"))
        if known is None:
            return missing("properties.alias")
        return alias(user_id, known[:MAX_ID_CHARACTERS], at=time, sent_at=sent_at, event_id=call.get("uuid"))
    if properties.get("$process_person_profile") is False and id_of(properties.get("$device_id")) is None:
        return Ignored("personless")  # a random id for one event: with a device's it is a visitor who comes back
    if call.get("session_id") is not None:
        properties = {"$session_id": call["session_id"]} | properties
    return Row(call | {"distinct_id": user_id, "properties": properties}, time, sent_at)


def _time(call: dict[str, Any], properties: dict[str, Any], received_ms: int) -> tuple[object, object]:
    """When an event happened and was sent; a time that is far ahead is that of its arrival."""
    time, sent_at = call.get("timestamp"), call.get("sent_at")
    options = object_of(call.get("options"))
    if True in (properties.get("$ignore_sent_at"), call.get("$ignore_sent_at"), options.get("disable_skew_correction")):
        sent_at = None
    if time is None:
        offset = call.get("offset")
        return (received_ms - int(offset) if isinstance(offset, int | float) else received_ms), None
    if sent_at is None and (read_ms := _milliseconds(time)) is not None and read_ms > received_ms + _MAX_AHEAD_MS:
        return received_ms, None
    return time, sent_at


def _milliseconds(time: object) -> int | None:
    try:
        moment = datetime.fromisoformat(time) if isinstance(time, str) else None
    except ValueError:
        return None
    if moment is None:
        return None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)

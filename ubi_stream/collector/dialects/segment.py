"""Segment and RudderStack: identify, track, page, screen, group and alias calls, one by one or in a batch."""

from __future__ import annotations

from typing import Any, Final

from ubi_stream.collector.bodies import from_base64, read_calls, read_json
from ubi_stream.collector.fields import id_of, object_of
from ubi_stream.collector.identity import alias, identify
from ubi_stream.collector.request import (
    BadRequestError,
    Call,
    CollectorRequest,
    Ignored,
    Reception,
    Row,
    invalid_value,
    missing,
)

_KINDS: Final = {"t": "track", "p": "page", "s": "screen", "i": "identify", "g": "group", "a": "alias"}
_SHORT: Final = _KINDS | {kind: kind for kind in _KINDS.values()}
"""Last part of a path: by name from servers, by letter from browsers."""
_BATCHES: Final = frozenset(("batch", "import", "b"))
_MAX_CONTEXT: Final = 200
"""Members of a batch's context, which is merged into each of its calls; libraries send about 20."""


def split(request: CollectorRequest) -> list[Any]:
    """The calls of a request, each with what the batch says of all of them: context and time of sending."""
    last = request.path.rstrip("/").rpartition("/")[2]
    document = _pixel(request) if "/pixel/" in request.path else read_json(request.body)
    if not isinstance(document, dict):
        raise BadRequestError("invalid_json", "The body is no JSON object")
    if last in _BATCHES or "batch" in document:
        if len(object_of(document.get("context"))) > _MAX_CONTEXT:
            raise BadRequestError("invalid_batch", f"context has more than {_MAX_CONTEXT} members")
        return [_merged(document, call) for call in read_calls(document.get("batch"))]
    return [document | {"type": _SHORT[last]} if last in _SHORT else document]


def key_of(document: dict[str, Any]) -> str | None:
    """The write key in a body."""
    return id_of(document.get("writeKey"))


def _merged(batch: dict[str, Any], call: object) -> object:
    if not isinstance(call, dict):
        return call
    merged = {name: value for name, value in call.items() if value is not None}
    shared = object_of(batch.get("context"))
    if shared:
        own = object_of(call.get("context"))
        merged["context"] = shared | own if own else shared
    if batch.get("sentAt") is not None:
        merged.setdefault("sentAt", batch["sentAt"])
    return merged


def _pixel(request: CollectorRequest) -> Any:
    """A call in the query: as JSON in base64 (`data`), or a parameter for each field."""
    if data := request.query.get("data"):
        try:
            return read_json(from_base64(data))
        except ValueError:
            raise BadRequestError("invalid_encoding", "data is not base64") from None
    return {name: value for name, value in request.query.items() if name != "writeKey"}


def read(call: dict[str, Any], at: Reception) -> Call:
    """One call."""
    kind = call.get("type")
    user_id, anonymous_id = id_of(call.get("userId")), id_of(call.get("anonymousId"))
    time, sent_at = _time(call), call.get("sentAt")
    if kind == "group":  # says to whom a user belongs: no behaviour, and its id is nobody's
        return Ignored("group")
    if kind == "alias":
        previous = id_of(call.get("previousId"))
        if previous is None or user_id is None:
            return missing("previousId" if previous is None else "userId", "alias needs previousId and userId")
        return alias(previous, user_id, at=time or at.received_ms, sent_at=sent_at, event_id=call.get("messageId"))
    if user_id is None and anonymous_id is None:
        return missing("userId", "the call has neither userId nor anonymousId")
    if kind == "identify":
        return identify(
            anonymous_id, user_id, at=time or at.received_ms, sent_at=sent_at, event_id=call.get("messageId")
        )
    if kind not in _KINDS.values():
        return missing("type") if kind is None else invalid_value("type", f"type is {kind!r:.60}, which is no call")
    if kind == "track" and id_of(call.get("event")) is None:
        return missing("event", "a track call needs the name of its event")
    values = call | {"userId": user_id, "anonymousId": anonymous_id}
    return Row(values, time, sent_at if time is not None else None)


def _time(call: dict[str, Any]) -> object:
    """When it happened by the sender's clock. `timestamp` is what servers computed, where both are there."""
    original = call.get("originalTimestamp")
    return original if original is not None else call.get("timestamp")

"""Our own form, and the small forms of older products: each call is known by the fields that it has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ubi_stream.collector.bodies import read_calls, read_json
from ubi_stream.collector.dialects import calls, coaching, risk_log
from ubi_stream.collector.identity import SENT_TYPES
from ubi_stream.collector.request import BadRequestError, Call, CollectorRequest, Ready, Reception, invalid_value

_Form = tuple[Callable[[dict[str, Any]], bool], Callable[[dict[str, Any], Reception], Call]]
_FORMS: Final[tuple[_Form, ...]] = tuple((form.knows, form.read) for form in (coaching, calls, risk_log))


def split(request: CollectorRequest) -> list[Any]:
    """The events of a request: one, a list, or a list under `events`."""
    document = read_json(request.body)
    if isinstance(document, dict) and "events" in document and "event_type" not in document:
        return read_calls(document["events"], "events")
    if isinstance(document, list):
        return read_calls(document, "the list")
    if not isinstance(document, dict):
        raise BadRequestError("invalid_json", "The body is neither an event nor a list of them")
    return [document]


def read(call: dict[str, Any], at: Reception) -> Call:
    """One event; commands such as an erasure have routes of their own."""
    for knows, read_form in _FORMS:
        if knows(call):
            return read_form(call, at)
    kind = call.get("event_type")
    if isinstance(kind, str) and kind.startswith("$") and kind not in SENT_TYPES:
        return invalid_value("event_type", f"event_type is {kind!r:.60}, a command: only behaviour is taken")
    return Ready(call)

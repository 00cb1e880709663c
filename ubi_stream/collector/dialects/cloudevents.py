"""CloudEvents 1.0 over HTTP: binary, structured and batched content mode."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote

from ubi_stream.collector.bodies import read_calls, read_json
from ubi_stream.collector.fields import id_of, object_of
from ubi_stream.collector.request import (
    BadRequestError,
    Call,
    CollectorRequest,
    Reception,
    Row,
    invalid_value,
    missing,
)

STRUCTURED: Final = "application/cloudevents"
BATCH: Final = "application/cloudevents-batch"
ACTION_RECORDED: Final = "UserActionRecorded"
"""Type whose data says what the user did: `{userId, action, …}`."""
_ACTION_RECORDED: Final = re.compile(rf"(^|[._/:-]){ACTION_RECORDED}([._-]?v\d+)?$")


def is_cloudevent(request: CollectorRequest) -> bool:
    """Whether a request says that it holds CloudEvents."""
    content_type = request.headers.get("content-type", "").lower()
    return content_type.startswith(STRUCTURED) or "ce-specversion" in request.headers


def split(request: CollectorRequest) -> list[Any]:
    """The events of a request; headers of binary mode become the event's attributes."""
    content_type = request.headers.get("content-type", "").lower()
    if content_type.startswith(BATCH):
        return read_calls(read_json(request.body), "the batch")
    if content_type.startswith(STRUCTURED) or "ce-specversion" not in request.headers:
        document = read_json(request.body)
        if not isinstance(document, dict):
            raise BadRequestError("invalid_json", "A structured event is a JSON object")
        return [document]
    attributes: dict[str, Any] = {
        name.removeprefix("ce-"): unquote(value.strip().strip('"'))
        for name, value in request.headers.items()
        if name.startswith("ce-")
    }
    # A sender that names no type of the data sends no Content-Type at all: it is JSON all the same.
    return [attributes | {"data": read_json(request.body) if request.body else {}}]


def read(call: dict[str, Any], at: Reception) -> Call:
    """One event."""
    for name in ("specversion", "id", "source", "type"):
        if id_of(call.get(name)) is None:
            return missing(name, f"a CloudEvent has the attribute {name}")
    if call["specversion"] != "1.0":
        return invalid_value("specversion", f"specversion is {call['specversion']!r:.60}, 1.0 was expected")
    values = call
    if _ACTION_RECORDED.search(str(call["type"])):
        action = id_of(object_of(call.get("data")).get("action"))
        if action is None:
            return missing("data.action", f"the data of {ACTION_RECORDED} name the action")
        values = call | {"type": action}
    return Row(values, call.get("time"))

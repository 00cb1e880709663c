"""Bytes become a JSON object, or a dead letter. Any bytes at all: nothing here raises."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable
from typing import Any, Final

import msgspec

from ubi_stream.events.limits import MAX_DEPTH, MAX_VALUE_BYTES
from ubi_stream.events.model import DeadLetter, Record, Unwanted
from ubi_stream.reasons import DeadLetterReason as Reason

_OTHER_FORMS: Final = {
    b"\0": ": it begins with a zero byte, as records of a schema registry do (Avro, Protobuf)",
    b"\x1f\x8b": ": it is compressed with gzip",
    b"\xff\xfe": ": it is UTF-16",
    b"\xfe\xff": ": it is UTF-16",
}
_decode_json = msgspec.json.Decoder().decode

Decode = Callable[[Record], dict[str, Any] | DeadLetter | Unwanted]
"""How a record becomes the fields of an event: `decode`, or a mapping where senders have a form of their own."""


def decode(record: Record) -> dict[str, Any] | DeadLetter:
    """Parse one record's value.

    Reasons: `null_value`, `too_large`, `too_deep`, `malformed_json` (also invalid UTF-8 and numbers beyond 64-bit
    floats), `wrong_type` (JSON, but no object).

    >>> from ubi_stream.events.model import Record
    >>> decode(Record("events", 0, 7, 0, b"u1", b'{"a": 1}'))
    {'a': 1}
    >>> decode(Record("events", 0, 7, 0, b"u1", b'{"a": ')).reason.value
    'malformed_json'
    """
    value = record.value
    if value is None:
        return DeadLetter(Reason.NULL_VALUE, "$", "the record has no value", record)
    if len(value) > MAX_VALUE_BYTES:
        message = f"the record has {len(value)} bytes, at most {MAX_VALUE_BYTES} are allowed"
        return DeadLetter(Reason.TOO_LARGE, "$", message, record)
    # Brackets inside strings count too: that only means measuring where it was not needed.
    nested = value.count(b"{") + value.count(b"[") > MAX_DEPTH
    try:
        data = _decode_json(value.removeprefix(BOM_UTF8))
    except RecursionError:
        return _too_deep(record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        cause = next((cause for start, cause in _OTHER_FORMS.items() if value.startswith(start)), "")
        return DeadLetter(Reason.MALFORMED_JSON, "$", f"the value is not valid JSON in UTF-8{cause}", record)
    if not isinstance(data, dict):
        message = f"the value is a JSON {type(data).__name__}, an object was expected"
        return DeadLetter(Reason.WRONG_TYPE, "$", message, record)
    if nested and _deeper_than(data, MAX_DEPTH):
        return _too_deep(record)
    return data


def _too_deep(record: Record) -> DeadLetter:
    return DeadLetter(Reason.TOO_DEEP, "$", f"the value is nested deeper than {MAX_DEPTH} levels", record)


def _deeper_than(data: object, levels: int) -> bool:
    """Whether objects and arrays are nested more than `levels` deep; level by level, so without recursion."""
    layer: list[object] = [data]
    for _ in range(levels):
        inner: list[object] = []
        for item in layer:
            children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
            inner.extend(child for child in children if isinstance(child, dict | list))
        if not inner:
            return False
        layer = inner
    return True

"""The oracle's own reading of a record: an event, the reason of a dead letter, or nothing where the pack drops it.

Written from `docs/dead-letters.md`, with the standard library alone.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, Protocol

from benchmarks.faults.oracle_rules import DAY_MS, Rules

_KB: Final = 1024
_DEEPEST: Final = 8
_MAX_SKEW_MS: Final = 5 * 60_000


class Entry(Protocol):
    """A record of the events topic."""

    @property
    def position(self) -> str:
        """`topic-partition-offset`."""

    @property
    def partition(self) -> int: ...

    @property
    def time_ms(self) -> int:
        """When the broker got it."""

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...


@dataclass(frozen=True, slots=True)
class Happening:
    """A good event. `event_id` is None where the producer gave none."""

    user_id: str
    event_id: str | None
    event_type: str
    time_ms: int
    session_id: str | None
    properties: dict[str, Any]


class _BadError(Exception):
    """Says the reason."""


def read_event(entry: Entry, rules: Rules) -> Happening | str | None:
    """An event, the reason why it is none, or None for a type that the pack drops."""
    try:
        return _event(_object_of(entry.value), entry, rules)
    except _BadError as bad:
        return str(bad)


def _object_of(value: bytes | None) -> dict[str, Any]:
    if value is None:
        raise _BadError("null_value")
    if len(value) > 128 * _KB:
        raise _BadError("too_large")
    try:
        data = json.loads(value.decode("utf-8"), parse_constant=_refuse, parse_float=_finite)
        if b"\\u" in value:
            json.dumps(data, ensure_ascii=False).encode("utf-8")  # half of a surrogate pair is no text
    except RecursionError as error:
        raise _BadError("too_deep") from error
    except ValueError as error:
        raise _BadError("malformed_json") from error
    if not isinstance(data, dict):
        raise _BadError("wrong_type")
    if _depth(data) > _DEEPEST:
        raise _BadError("too_deep")
    return data


def _event(data: dict[str, Any], entry: Entry, rules: Rules) -> Happening | None:
    event_type = data.get("event_type")
    if not isinstance(event_type, str):
        raise _BadError("missing_field" if event_type is None else "wrong_type")
    if event_type not in (*rules.types, "$label"):
        if rules.unknown == "drop":
            return None
        if rules.unknown == "dead_letter":
            raise _BadError("unknown_event_type")
        _id(event_type)
    event_id = None if data.get("event_id") is None else _id(data["event_id"])
    time_ms = _time(data, entry.time_ms, rules.max_age_ms)
    user_id = _id(data.get("user_id"))
    session_id = _optional(data.get("session_id"))
    properties = _table(data.get("properties"))
    _table(data.get("context"))
    _optional(data.get("trace_id"))
    for entity in rules.entities:
        if entity.key:
            _optional(properties.get(entity.key))
    return Happening(user_id, event_id, event_type, time_ms, session_id, properties)


def _time(data: dict[str, Any], arrived_ms: int, max_age_ms: int) -> int:
    time_ms = _instant(data.get("event_time"))
    if data.get("sent_at") is not None:
        time_ms += arrived_ms - _instant(data["sent_at"])
    if time_ms > arrived_ms + DAY_MS:
        raise _BadError("time_in_future")
    if time_ms < 0 or arrived_ms - time_ms > max_age_ms:
        raise _BadError("time_too_old")
    return min(time_ms, arrived_ms + _MAX_SKEW_MS)


def _instant(value: object) -> int:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000
        except (ValueError, OverflowError) as error:
            raise _BadError("invalid_value") from error
    if isinstance(value, int | float) and not isinstance(value, bool):
        if abs(value) >= 2**53:
            raise _BadError("invalid_value")
        return int(value)
    raise _BadError("missing_field" if value is None else "wrong_type")


def _id(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _BadError("missing_field" if value is None else "wrong_type")
    text = str(value)
    if not text:
        raise _BadError("missing_field")
    if len(text.encode()) > 256:
        raise _BadError("too_large")
    return text


def _optional(value: object) -> str | None:
    return None if value is None or value == "" else _id(value)


def _table(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _BadError("wrong_type")
    if len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()) > 32 * _KB:
        raise _BadError("too_large")
    return value


def _depth(data: object) -> int:
    """Levels of objects and arrays; stops counting where it is too deep anyway."""
    layer: list[object] = [data]
    for depth in range(_DEEPEST + 1):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return depth + 1
    return _DEEPEST + 1


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("beyond what a float can hold")
    return number

"""The oracle's own reading of a record: an event, the reason of a dead letter, or nothing where the pack drops it.

Written from `docs/dead-letters.md`, with the standard library alone.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NoReturn, Protocol

from benchmarks.faults.oracle_rules import DAY_MS, Rules

_KB: Final = 1024
_DEEPEST: Final = 8
_MAX_SKEW_MS: Final = 5 * 60_000
_MAX_TRANSIT_MS: Final = 5 * 60_000
_MAX_AMOUNT: Final = 1e12
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_FLAGS: Final = frozenset(("true", "1", "1.0", "t", "yes", "y", "false", "0", "0.0", "f", "no", "n"))


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
        data = json.loads(value.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite)
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
    event_id = None if data.get("event_id") is None else _optional(_id(data["event_id"]), rules)
    time_ms = _time(data, entry.time_ms, rules.max_age_ms)
    user_id = _optional(_id(data.get("user_id")), rules)
    if user_id is None:
        raise _BadError("missing_field")
    session_id = _optional(data.get("session_id"), rules)
    properties = _table(data.get("properties"))
    _table(data.get("context"))
    _optional(data.get("trace_id"), rules)
    for entity in rules.entities:
        if entity.key:
            _optional(properties.get(entity.key), rules)
    _check_properties(properties, event_type, rules)
    return Happening(user_id, event_id, event_type, time_ms, session_id, properties)


def _time(data: dict[str, Any], arrived_ms: int, max_age_ms: int) -> int:
    time_ms = _instant(data.get("event_time"))
    if data.get("sent_at") is not None:
        error_ms = arrived_ms - _instant(data["sent_at"])
        time_ms += error_ms if abs(error_ms) > _MAX_TRANSIT_MS else 0
    if time_ms > arrived_ms + DAY_MS:
        raise _BadError("time_in_future")
    if time_ms < 0 or arrived_ms - time_ms > max_age_ms:
        raise _BadError("time_too_old")
    return min(time_ms, arrived_ms + _MAX_SKEW_MS)


def _instant(value: object) -> int:
    if isinstance(value, str):
        try:
            at = datetime.fromisoformat(value)
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            return int(at.replace(microsecond=0).timestamp()) * 1000 + at.microsecond // 1000
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
    if not text.strip():
        raise _BadError("missing_field")
    if len(text.encode()) > 256:
        raise _BadError("too_large")
    return text


def _optional(value: object, rules: Rules) -> str | None:
    """An id; None where it is absent or blank, or stands for nobody."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    text = _id(value)
    return None if text.strip().casefold() in rules.nobody else text


def _check_properties(properties: dict[str, Any], event_type: str, rules: Rules) -> None:  # noqa: C901 - one check for each rule of the form
    """Refuse what the pack's roles and limits can't do with."""
    roles, get = rules.roles, properties.get
    if event_type == "$label":
        if not {"label", "insight_id"} & properties.keys() and "reference" in roles and "outcome" in roles:
            if _optional(get(roles["reference"]), rules) is None or get(roles["outcome"]) in (None, ""):
                raise _BadError("missing_field")
            if str(get(roles["outcome"])).strip().lower() not in _FLAGS:
                raise _BadError("wrong_type")
        return
    priced = [name for part in ("amount", "intent", "conversion") for name in roles.get(f"{part}_types", ())]
    if "amount" in roles and event_type in priced:
        _number(get(roles["amount"]))
    if "latency" in roles:
        _number(get(roles["latency"]))
    if "reference" in roles:
        _optional(get(roles["reference"]), rules)
    for role in ("category", "item"):
        if role in roles and isinstance(get(roles[role]), bool | dict | list):
            raise _BadError("wrong_type")
    for name, limit in rules.limits.items():
        if limit.get("types") and event_type not in limit["types"]:
            continue
        if get(name) in (None, ""):
            if limit.get("required"):
                raise _BadError("missing_field")
        elif "min" in limit or "max" in limit:
            number = _number(get(name))
            if number is not None and not limit.get("min", number) <= number <= limit.get("max", number):
                raise _BadError("invalid_value")


def _number(value: Any) -> float | None:
    """A number within bounds; None where it is absent."""
    if value is None or value == "":
        return None
    if isinstance(value, bool | dict | list):
        raise _BadError("wrong_type")
    number = float(value) if not isinstance(value, str) or _NUMBER.fullmatch(value.strip()) else math.nan
    if not abs(number) <= _MAX_AMOUNT:
        raise _BadError("invalid_value")
    return number


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

"""A mapping, compiled: the values of one row become the events that they stand for. Pure, without any order of rows."""

from __future__ import annotations

import re
from collections import Counter, abc
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any, Final

import msgspec
import orjson

from ubi_stream.events.fields import UNREADABLE
from ubi_stream.mappings.getters import Getter, Values, make_getter, make_reader, make_source
from ubi_stream.mappings.model import Mapping
from ubi_stream.mappings.specs import AlsoSpec, EventSpec, TimeSpec, ValueSpec, WhereSpec
from ubi_stream.mappings.times import time_reader
from ubi_stream.mappings.values import as_id, as_string

TimedEvent = tuple[dict[str, Any], int | None]
"""An event without an id where it brings none, and its time in Unix milliseconds."""

_MAX_NAMES: Final = 1_000
"""Reasons to leave rows out that are counted apart: a column of free text must not fill the memory."""
_OTHERS: Final = "others"
_FIRST_LIKELY_MS: Final = 631_152_000_000
_LAST_LIKELY_MS: Final = 4_102_444_800_000


class Mapper:
    """Applies a mapping to rows.

    Parameters
    ----------
    mapping
        Not one whose rows are events already.
    key
        Keys the hashes of values that are hidden (`hash = true`).

    Attributes
    ----------
    unread
        Values that are not of the type that the mapping says, counted by their place in the event.
    left_out
        Rows that don't fit the filters (`[[where]]`), counted by what they had.
    """

    def __init__(
        self,
        mapping: Mapping,
        *,
        key: bytes = b"",
        unread: Counter[str] | None = None,
        left_out: Counter[str] | None = None,
    ) -> None:
        event = mapping.event
        if event is None:
            raise ValueError("a mapping without [event] has rows that are events")
        self.unread = Counter() if unread is None else unread
        self.left_out = Counter() if left_out is None else left_out
        self._mapping = mapping
        self._key = key
        self._read_time = time_reader(event.event_time.format, event.event_time.timezone)
        self._time = make_source(event.event_time.source(), mapping.file)
        self._filters = [_filter(one, mapping) for one in mapping.where]
        self._build = self._event_builder(event)
        self._further = [(also.after_ms, self._also_builder(also, event)) for also in mapping.also]

    def keeps(self, values: Values) -> bool:
        """Whether a row fits the filters; one that doesn't is counted."""
        for test in self._filters:
            if (name := test(values)) is not None:
                known = name in self.left_out or len(self.left_out) < _MAX_NAMES
                self.left_out[name if known else _OTHERS] += 1
                return False
        return True

    def events(self, values: Values) -> Iterator[TimedEvent]:
        """The events of a row: its own, then those of `[[also]]`."""
        written = self._time(values)
        time_ms = None if written is None else self._read_time(written)
        no_time = None if written is None else {UNREADABLE: written}
        yield self._build(values, time_ms if time_ms is not None else no_time), time_ms
        for after_ms, build in self._further:
            later_ms = None if time_ms is None else time_ms + after_ms
            yield build(values, later_ms if later_ms is not None else no_time), later_ms

    def _event_builder(self, event: EventSpec) -> Callable[[Values, Any], dict[str, Any]]:
        names = ("event_id", "event_type", "user_id", "session_id", "trace_id")
        return self._builder({name: getattr(event, name) for name in names}, self._mapping.properties)

    def _also_builder(self, also: AlsoSpec, event: EventSpec) -> Callable[[Values, Any], dict[str, Any]]:
        return self._builder({"event_type": also.event_type, "user_id": event.user_id}, also.properties)

    def _builder(
        self, ids: abc.Mapping[str, ValueSpec | None], properties: abc.Mapping[str, ValueSpec]
    ) -> Callable[[Values, Any], dict[str, Any]]:
        own, inner = self._getters(ids, ""), self._getters(properties, "properties.")
        context, defaults = self._getters(self._mapping.context, "context."), self._mapping.context_defaults

        def build(values: Values, time: Any) -> dict[str, Any]:
            event = _read(own, values)
            if time is not None:
                event["event_time"] = time
            if inner:
                event["properties"] = _read(inner, values)
            if context or defaults:
                known = _read(context, values)
                for name, value in defaults.items():
                    if name != "timezone" or "utc_offset_min" not in known:  # the row says how far its clock is off UTC
                        known.setdefault(name, value)
                event["context"] = known
            return event

        return build

    def _getters(self, specs: abc.Mapping[str, ValueSpec | None], place: str) -> list[tuple[str, Getter]]:
        """What each value is read with; `place` is where they are in the event. Fields of the event itself are ids."""
        text = as_string if place else as_id
        return [
            (name, make_getter(spec, self._mapping.file, text, partial(_count, self.unread, place + name), self._key))
            for name, spec in specs.items()
            if spec is not None
        ]


def time_is_read(mapping: Mapping) -> Callable[[Values], bool]:
    """Make the function that says whether fields, by column, have a likely time where the mapping expects it.

    Any number is a time since 1970, so a likely one is of the years from 1990 to 2100.
    """
    time = TimeSpec(column="event_time") if mapping.event is None else mapping.event.event_time
    read, source = time_reader(time.format, time.timezone), make_source(time.source(), mapping.file)

    def is_read(values: Values) -> bool:
        time_ms = read(source(values))
        return time_ms is not None and _FIRST_LIKELY_MS <= time_ms < _LAST_LIKELY_MS

    return is_read


def encode_event(event: dict[str, Any]) -> bytes:
    """JSON of an event.

    Raises
    ------
    TypeError, ValueError, RecursionError
        No JSON can hold it: lone surrogates (no UTF-8), or nesting over 250.
    """
    try:
        return orjson.dumps(event, default=_plain)
    except TypeError:  # integers over 64 bits; slower, and the same otherwise
        return msgspec.json.encode(event, enc_hook=_plain)


def _read(getters: list[tuple[str, Getter]], values: Values) -> dict[str, Any]:
    return {name: value for name, get in getters if (value := get(values)) is not None}


def _count(unread: Counter[str], place: str) -> None:
    unread[place] += 1


def _filter(spec: WhereSpec, mapping: Mapping) -> Callable[[Values], str | None]:
    """The function that names what a row has that does not fit; None for a row that fits."""
    read = make_reader(spec.column, mapping.file.empty)
    pattern = spec.matches if spec.matches is not None else spec.matches_not
    if pattern is not None:
        found, wanted = re.compile(pattern), spec.matches is not None
        name = f"{spec.column} {'does not match' if wanted else 'matches'} {pattern}"

        def test_text(values: Values) -> str | None:
            value = read(values)
            is_found = value is not None and found.search(str(as_string(value))) is not None
            return None if is_found is wanted else name

        return test_text
    listed = frozenset(str(as_string(one)) for one in spec.one_of or spec.none_of or ())

    def test_value(values: Values) -> str | None:
        value = read(values)
        text = "" if value is None else str(as_string(value))
        fits = (value is not None and text in listed) if spec.one_of else text not in listed
        return None if fits else f"{spec.column} = {text}" if text else f"{spec.column} is empty"

    return test_value


def _plain(value: Any) -> Any:
    """JSON form of what Parquet can hold and orjson doesn't know."""
    if isinstance(value, Decimal):
        return float(value)
    return str(value)

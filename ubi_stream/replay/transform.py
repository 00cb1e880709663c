"""Rows become records: a mapping, compiled once, applied to a stream of rows.

Every row gives exactly `Mapping.events_per_row` records. A row that can't be read gives its own bytes, once for each
event it should have been, so that numbers add up and the dead letter shows what the file holds.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections import Counter, abc
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import orjson

from ubi_stream.events.fields import UNREADABLE
from ubi_stream.replay.mapping import AlsoSpec, EventSpec, FileSpec, Mapping, NumberSpec, TimeSpec, ValueSpec
from ubi_stream.replay.records import ProducerRecord, Row
from ubi_stream.replay.times import time_reader
from ubi_stream.replay.values import CONVERTERS, as_id, as_string, is_of, number_reader

Values = dict[str, Any]
Getter = Callable[[Values], Any]

# Identical rows further apart than this share an event id, and count as duplicates. It bounds memory to about 60 MB.
OCCURRENCE_WINDOW = 200_000


_FIRST_LIKELY_MS, _LAST_LIKELY_MS = 631_152_000_000, 4_102_444_800_000
_NO_JSON = "no JSON can hold it: not UTF-8 (the mapping can say another encoding under [file]), or nested too deep"


class EventIds:
    """Derives event ids from content: the same file gives the same ids, and identical rows get different ones.

    Parameters
    ----------
    mapping_name
        Keeps ids of different mappings apart.
    """

    def __init__(self, mapping_name: str) -> None:
        self._person = mapping_name.encode()
        self._recent: dict[bytes, int] = {}
        self._older: dict[bytes, int] = {}

    def derive(self, body: bytes) -> str:
        """Id of the event with this encoded content: 32 hexadecimal digits.

        >>> ids = EventIds("shop")
        >>> first, second = ids.derive(b"{}"), ids.derive(b"{}")
        >>> first != second and EventIds("shop").derive(b"{}") == first
        True
        """
        digest = hashlib.blake2b(self._person + b"\0" + body, digest_size=16).digest()
        seen = self._recent.get(digest) or self._older.get(digest, 0)
        self._recent[digest] = seen + 1
        if len(self._recent) >= OCCURRENCE_WINDOW:
            self._older, self._recent = self._recent, {}
        if seen:
            digest = hashlib.blake2b(digest + seen.to_bytes(8, "big"), digest_size=16).digest()
        return digest.hex()


def map_rows(mapping: Mapping, rows: Iterable[Row], unread: Counter[str] | None = None) -> Iterator[ProducerRecord]:
    """Turn rows into records, in the order of the rows; delayed events come in between when their time has come.

    Parameters
    ----------
    mapping
        What each column means.
    rows
        Data rows in the order of the file.
    unread
        Counts values that are not of the type that the mapping says, by their place in the event.

    Yields
    ------
    ProducerRecord
        `mapping.events_per_row` for each row; those still due at the end come last.
    """
    unread = Counter() if unread is None else unread
    read = _event_rows(mapping) if mapping.rows_are_events else _mapped_rows(mapping, unread)
    waiting: list[tuple[int, int, ProducerRecord]] = []
    order = 0
    for row in rows:
        first, *delayed = read(row)
        if first.time_ms is not None:
            while waiting and waiting[0][0] <= first.time_ms:
                yield heapq.heappop(waiting)[2]
        yield first
        for record in delayed:
            if record.time_ms is None:
                yield record
            else:
                order += 1
                heapq.heappush(waiting, (record.time_ms, order, record))
    while waiting:
        yield heapq.heappop(waiting)[2]


def time_is_read(mapping: Mapping) -> Callable[[Values], bool]:
    """Make the function that says whether fields, by column, have a likely time where the mapping expects it.

    Any number is a time since 1970, so a likely one is of the years from 1990 to 2100.
    """
    time = TimeSpec(column="event_time") if mapping.event is None else mapping.event.event_time
    read, empty = time_reader(time.format, time.timezone), mapping.file.empty

    def is_read(values: Values) -> bool:
        time_ms = read(_lookup(values, time.column, empty))
        return time_ms is not None and _FIRST_LIKELY_MS <= time_ms < _LAST_LIKELY_MS

    return is_read


def _event_rows(mapping: Mapping) -> Callable[[Row], list[ProducerRecord]]:
    """Rows that are events already: only the key, and an id where there is none."""
    ids = EventIds(mapping.name)
    iso, epoch = time_reader("iso", "UTC"), time_reader("ms", "UTC")

    def read(row: Row) -> list[ProducerRecord]:
        if row.values is None:
            return _unreadable(row, 1)
        time = row.values.get("event_time")
        time_ms = iso(time) if isinstance(time, str) else epoch(time)
        if isinstance(row.raw, bytes) and row.raw and row.values.get("event_id") is not None:
            # As on a topic: the bytes themselves are the event.
            return [ProducerRecord(_key(row.values.get("user_id")), row.raw, time_ms, row.number)]
        event = {key: value for key, value in row.values.items() if not _is_nothing(value)}
        return [_encode(event, time_ms, ids, row)]

    return read


def _mapped_rows(mapping: Mapping, unread: Counter[str]) -> Callable[[Row], list[ProducerRecord]]:
    event = mapping.event
    if event is None:
        raise ValueError("a mapping without [event] has rows that are events")
    ids = EventIds(mapping.name)
    empty = mapping.file.empty
    time_of = time_reader(event.event_time.format, event.event_time.timezone)
    time_column = event.event_time.column
    build = _event_builder(mapping, event, unread)
    further = [(also.after_ms, _also_builder(also, event, mapping, unread)) for also in mapping.also]

    def read(row: Row) -> list[ProducerRecord]:
        if row.values is None:
            return _unreadable(row, mapping.events_per_row)
        written = _lookup(row.values, time_column, empty)
        time_ms = time_of(written)
        no_time = None if written is None else {UNREADABLE: written}
        records = [_encode(build(row.values, time_ms if time_ms is not None else no_time), time_ms, ids, row)]
        for after_ms, build_also in further:
            later_ms = None if time_ms is None else time_ms + after_ms
            body = build_also(row.values, later_ms if later_ms is not None else no_time)
            records.append(_encode(body, later_ms, ids, row))
        return records

    return read


def _event_builder(mapping: Mapping, event: EventSpec, unread: Counter[str]) -> Callable[[Values, Any], dict[str, Any]]:
    layout = mapping.file
    fields = _getters(
        {
            "event_id": event.event_id,
            "event_type": event.event_type,
            "user_id": event.user_id,
            "session_id": event.session_id,
            "trace_id": event.trace_id,
        },
        "",
        layout,
        unread,
    )
    properties = _getters(mapping.properties, "properties.", layout, unread)
    context = _getters(mapping.context, "context.", layout, unread)
    defaults = mapping.context_defaults

    def build(values: Values, time: Any) -> dict[str, Any]:
        return _assemble(values, time, fields, properties, context, defaults)

    return build


def _also_builder(
    also: AlsoSpec, event: EventSpec, mapping: Mapping, unread: Counter[str]
) -> Callable[[Values, Any], dict[str, Any]]:
    layout = mapping.file
    fields = _getters({"event_type": also.event_type, "user_id": event.user_id}, "", layout, unread)
    properties = _getters(also.properties, "properties.", layout, unread)
    context = _getters(mapping.context, "context.", layout, unread)
    defaults = mapping.context_defaults

    def build(values: Values, time: Any) -> dict[str, Any]:
        return _assemble(values, time, fields, properties, context, defaults)

    return build


def _assemble(
    values: Values,
    time: Any,
    fields: list[tuple[str, Getter]],
    properties: list[tuple[str, Getter]],
    context: list[tuple[str, Getter]],
    defaults: dict[str, str],
) -> dict[str, Any]:
    event = {key: value for key, get in fields if (value := get(values)) is not None}
    if time is not None:
        event["event_time"] = time
    if properties:
        event["properties"] = {key: value for key, get in properties if (value := get(values)) is not None}
    if context or defaults:
        known = {key: value for key, get in context if (value := get(values)) is not None}
        for key, value in defaults.items():
            if key != "timezone" or "utc_offset_min" not in known:  # the row says how far its clock is ahead of UTC
                known.setdefault(key, value)
        event["context"] = known
    return event


def _getters(
    specs: abc.Mapping[str, ValueSpec | None], place: str, layout: FileSpec, unread: Counter[str]
) -> list[tuple[str, Getter]]:
    """What each value is read with; `place` is where they are in the event. Fields of the event itself are ids."""
    text = as_string if place else as_id
    return [
        (key, _getter(spec, layout, text, partial(_count, unread, place + key)))
        for key, spec in specs.items()
        if spec is not None
    ]


def _count(unread: Counter[str], place: str) -> None:
    unread[place] += 1


def _getter(spec: ValueSpec, layout: FileSpec, text: Callable[[Any], Any], count: Callable[[], None]) -> Getter:
    column, constant, renames, kind = spec.column, spec.constant, spec.values, spec.type
    convert = text if kind == "string" else CONVERTERS[kind]
    if kind == "number" and (number := spec.number or layout.number) is not None:
        convert = _number_reader(number)
    if column is None:
        return lambda _values: constant

    def get(values: Values) -> Any:
        value = _lookup(values, column, layout.empty)
        if value is None:
            return None
        if renames:
            name = as_string(value)
            if isinstance(name, str) and name in renames:
                return renames[name]
        converted = convert(value)
        if is_of(converted, kind):
            return converted
        count()
        return {UNREADABLE: converted}

    return get


def _number_reader(number: NumberSpec) -> Callable[[Any], Any]:
    return number_reader(number.decimal, number.thousands, number.signs)


def _lookup(values: Values, column: str, empty: frozenset[str]) -> Any:
    """Value of a column, or None where it is empty; a name with dots also reaches into nested JSON."""
    value = values.get(column)
    if value is None and "." in column and column not in values:
        value = values
        for part in column.split("."):
            value = value.get(part) if isinstance(value, dict) else None
    if value == "" or _is_nothing(value) or (isinstance(value, str) and value in empty):
        return None
    return value


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _encode(event: dict[str, Any], time_ms: int | None, ids: EventIds, row: Row) -> ProducerRecord:
    """Encode an event with its key; a row that no JSON can hold is passed on as the file has it."""
    try:
        body = _dumps(event)
        key = _key(event.get("user_id"))
    except (TypeError, ValueError, RecursionError):  # lone surrogates (no UTF-8), nesting over 250
        return ProducerRecord(None, _raw(row), time_ms, row.number, _NO_JSON)
    if "event_id" not in event:
        head = f'{{"event_id":"{ids.derive(body)}"'.encode()
        body = head + (b"}" if body == b"{}" else b"," + body[1:])
    return ProducerRecord(key, body, time_ms, row.number)


def _dumps(event: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(event, default=_plain)
    except TypeError:  # integers over 64 bits; slower, and the same otherwise
        return msgspec.json.encode(event, enc_hook=_plain)


def _key(user: Any) -> bytes | None:
    """Key of a user's records: the id as text."""
    return str(user).encode() if isinstance(user, str | int) and not isinstance(user, bool) else None


def _plain(value: Any) -> Any:
    """JSON form of what Parquet can hold and orjson doesn't know."""
    if isinstance(value, Decimal):
        return float(value)
    return str(value)


def _unreadable(row: Row, events: int) -> list[ProducerRecord]:
    return [ProducerRecord(None, _raw(row), None, row.number, row.fault)] * events


def _raw(row: Row) -> bytes:
    raw = row.raw or repr(row.values)
    return raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape")

"""Rows become records: a mapping applied to a stream of rows.

Every row that the mapping keeps gives exactly `Mapping.events_per_row` records. A row that can't be read gives its own
bytes, once for each event it should have been, so that numbers add up and the dead letter shows what the file holds.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from ubi_stream.data.records import FileRow, ProducerRecord
from ubi_stream.mappings.getters import is_nothing
from ubi_stream.mappings.ids import EventIds
from ubi_stream.mappings.mapper import Mapper, encode_event
from ubi_stream.mappings.model import Mapping
from ubi_stream.mappings.times import time_reader

_NO_JSON: Final = (
    "no JSON can hold it: not UTF-8 (the mapping can say another encoding under [file]), or nested too deep"
)


def map_rows(
    mapping: Mapping,
    rows: Iterable[FileRow],
    unread: Counter[str] | None = None,
    left_out: Counter[str] | None = None,
    key: bytes = b"",
) -> Iterator[ProducerRecord]:
    """Turn rows into records, in the order of the rows; delayed events come in between when their time has come.

    Parameters
    ----------
    mapping
        What each column means.
    rows
        Data rows in the order of the file.
    unread
        Counts values that are not of the type that the mapping says, by their place in the event.
    left_out
        Counts rows that don't fit the mapping's filters, by what they had.
    key
        Keys the hashes of values that are hidden.

    Yields
    ------
    ProducerRecord
        `mapping.events_per_row` for each row that is kept; those still due at the end come last.
    """
    if mapping.rows_are_events:
        read = _event_rows(mapping)
    else:
        read = _mapped_rows(mapping, Mapper(mapping, key=key, unread=unread, left_out=left_out))
    waiting: list[tuple[int, int, ProducerRecord]] = []
    order = 0
    for row in rows:
        records = read(row)
        if not records:
            continue
        first, *delayed = records
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


def _event_rows(mapping: Mapping) -> Callable[[FileRow], list[ProducerRecord]]:
    """Rows that are events already: only the key, and an id where there is none."""
    ids = EventIds(mapping.name)
    iso, epoch = time_reader("iso", "UTC"), time_reader("ms", "UTC")

    def read(row: FileRow) -> list[ProducerRecord]:
        if row.values is None:
            return _unreadable(row, 1)
        time = row.values.get("event_time")
        time_ms = iso(time) if isinstance(time, str) else epoch(time)
        if isinstance(row.raw, bytes) and row.raw and row.values.get("event_id") is not None:
            # As on a topic: the bytes themselves are the event.
            return [ProducerRecord(_key(row.values.get("user_id")), row.raw, time_ms, row.number)]
        event = {key: value for key, value in row.values.items() if not is_nothing(value)}
        return [_encode(event, time_ms, ids, row)]

    return read


def _mapped_rows(mapping: Mapping, mapper: Mapper) -> Callable[[FileRow], list[ProducerRecord]]:
    ids = EventIds(mapping.name)

    def read(row: FileRow) -> list[ProducerRecord]:
        if row.values is None:
            return _unreadable(row, mapping.events_per_row)
        if not mapper.keeps(row.values):
            return []
        return [_encode(event, time_ms, ids, row) for event, time_ms in mapper.events(row.values)]

    return read


def _encode(event: dict[str, Any], time_ms: int | None, ids: EventIds, row: FileRow) -> ProducerRecord:
    """Encode an event with its key; a row that no JSON can hold is passed on as the file has it."""
    try:
        body = encode_event(event)
        key = _key(event.get("user_id"))
    except (TypeError, ValueError, RecursionError):
        return ProducerRecord(None, _raw(row), time_ms, row.number, _NO_JSON)
    if "event_id" not in event:
        head = f'{{"event_id":"{ids.derive(body)}"'.encode()
        body = head + (b"}" if body == b"{}" else b"," + body[1:])
    return ProducerRecord(key, body, time_ms, row.number)


def _key(user: Any) -> bytes | None:
    """Key of a user's records: the id as text."""
    return str(user).encode() if isinstance(user, str | int) and not isinstance(user, bool) else None


def _unreadable(row: FileRow, events: int) -> list[ProducerRecord]:
    return [ProducerRecord(None, _raw(row), None, row.number, row.fault)] * events


def _raw(row: FileRow) -> bytes:
    raw = row.raw or repr(row.values)
    return raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape")

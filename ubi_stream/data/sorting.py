"""Puts the records of a file in the order of their time, in bounded memory: sorted pieces on disk, then a merge."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from struct import Struct
from typing import IO, Final

import msgspec

from ubi_stream.data.records import ProducerRecord

PIECE_RECORDS: Final = 100_000
"""Records in memory at once, some 100 MB."""
_LENGTH: Final = Struct(">I")
_BEFORE_ALL: Final = -(2**63)

_Placed = tuple[int, int, ProducerRecord]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Placed).decode


def by_time(records: Iterable[ProducerRecord], *, piece_records: int = PIECE_RECORDS) -> Iterator[ProducerRecord]:
    """Records in the order of their time; those of one time, and those without a time, keep their neighbours."""
    with ExitStack() as files:
        chunks: list[Iterator[_Placed]] = []
        placed = _placed(records)
        while chunk := sorted(islice(placed, piece_records), key=_place):
            if not chunks and len(chunk) < piece_records:
                yield from (record for _, _, record in chunk)
                return
            chunks.append(_spilled(chunk, files.enter_context(tempfile.TemporaryFile(prefix="ubi-sort-"))))
        for _, _, record in heapq.merge(*chunks, key=_place):
            yield record


def _place(item: _Placed) -> tuple[int, int]:
    return item[:2]


def _placed(records: Iterable[ProducerRecord]) -> Iterator[_Placed]:
    """Records with their time, or that of the record before, and their number."""
    time_ms = _BEFORE_ALL
    for number, record in enumerate(records):
        if record.time_ms is not None:
            time_ms = record.time_ms
        yield time_ms, number, record


def _spilled(chunk: list[_Placed], file: IO[bytes]) -> Iterator[_Placed]:
    """Write a piece, and make what reads it again."""
    for item in chunk:
        content = _encode(item)
        file.write(_LENGTH.pack(len(content)) + content)
    file.seek(0)
    return _read(file)


def _read(file: IO[bytes]) -> Iterator[_Placed]:
    while head := file.read(_LENGTH.size):
        yield _decode(file.read(*_LENGTH.unpack(head)))

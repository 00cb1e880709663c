"""Public data as streams in which nothing is known to be planted."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks.signal.people import Calendar
from benchmarks.signal.shop import DAY_MS
from benchmarks.signal.streams import Stream
from ubi_stream.replay.mapping import load_mapping
from ubi_stream.replay.source import ReplaySource

FILES: Final = {
    "rees46": "rees46_2019-10-01.csv.gz",
    "card_payments": "card_transactions_2018-06-17_07-31.csv.gz",
    "retailrocket": "retailrocket_events.csv.gz",
}
"""File by the name of its shipped mapping."""


def public_stream(name: str, folder: Path, events: int) -> Stream:
    """The first events of a file."""
    with ReplaySource(folder / FILES[name], name) as source:
        records = [record for record in islice(source, events) if record.key is not None and record.time_ms is not None]
    times = [record.time_ms or 0 for record in records]
    users = [(record.key or b"").decode() for record in records]
    start_ms = min(times) // DAY_MS * DAY_MS
    days = (max(times) - start_ms) // DAY_MS + 1
    return Stream(
        name,
        0,
        Calendar(start_ms, days, (), ()),
        records,
        times,
        times,
        active=frozenset((user, time_ms // DAY_MS) for user, time_ms in zip(users, times, strict=True)),
        users=frozenset(users),
    )


def pack_of(name: str) -> str | None:
    """The pack that a mapping is for; None for the default one."""
    return load_mapping(name).pack

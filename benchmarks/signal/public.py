"""Public data, and the stream of the demo, in which nothing is known to be planted."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks.signal.people import Calendar
from benchmarks.signal.shop import DAY_MS
from benchmarks.signal.streams import Stream
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.source import ReplaySource
from ubi_stream.mappings.model import load_mapping
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.population import TrafficOptions

FILES: Final = {
    "rees46": "rees46_2019-10-01.csv.gz",
    "card_payments": "card_transactions_2018-06-17_07-31.csv.gz",
    "retailrocket": "retailrocket_events.csv.gz",
}
"""File by the name of its shipped mapping."""
_DEMO_STARTS_MS: Final = 1_767_360_000_000
"""A Friday in January 2026, 13:20 UTC."""


def public_stream(name: str, folder: Path, events: int) -> Stream:
    """The first events of a file."""
    with ReplaySource(folder / FILES[name], name) as source:
        return _stream(name, 0, islice(source, events))


def demo_stream(seed: int, events: int) -> Stream:
    """What `ubi demo` and `ubi generate` send if nothing else is asked for."""
    traffic = Traffic(TrafficOptions(seed=seed, start_ms=_DEMO_STARTS_MS))
    return _stream("demo", seed, traffic.records(events))


def _stream(name: str, seed: int, source: Iterable[ProducerRecord]) -> Stream:
    records = [record for record in source if record.key is not None and record.time_ms is not None]
    times = [record.time_ms or 0 for record in records]
    users = [(record.key or b"").decode() for record in records]
    start_ms = min(times) // DAY_MS * DAY_MS
    days = (max(times) - start_ms) // DAY_MS + 1
    return Stream(
        name,
        seed,
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

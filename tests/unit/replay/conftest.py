"""Where the public data is, and small files made for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from ubi_stream.data.records import ProducerRecord
from ubi_stream.events.model import Record
from ubi_stream.events.stage import ReadBatch, read_events
from ubi_stream.events.validate import Validator
from ubi_stream.packs.schema import Events

_DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


@pytest.fixture
def public_file() -> Callable[[str], Path]:
    """Path of a public data file; skips the test where the folder of such files is absent."""

    def find(name: str) -> Path:
        if not _DATA.is_dir():
            pytest.skip("the folder of public data, ../shared/data, is not here")
        return _DATA / name

    return find


@pytest.fixture
def first_stages() -> Callable[..., ReadBatch]:
    """What the pipeline's first two stages make of records, for a pack with these event types."""

    def read(records: Iterable[ProducerRecord], types: tuple[str, ...]) -> ReadBatch:
        logged = [
            Record("events", 0, at, (record.time_ms or 0) + 1, record.key, record.value)
            for at, record in enumerate(records)
        ]
        return read_events(logged, Validator(Events(types=types)), forwarded=False)

    return read

"""What the demo streams, and where it keeps the data.

All of this comes before the event loop, so Ctrl-C ends it at once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ubi_stream.cli.configured import pack_for
from ubi_stream.clock import Clock
from ubi_stream.local.jars import kafka_classpath
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.schema import Pack
from ubi_stream.replay.generate import Traffic
from ubi_stream.replay.pacing import Speed
from ubi_stream.replay.population import TrafficOptions
from ubi_stream.replay.records import ProducerRecord
from ubi_stream.replay.source import ReplaySource
from ubi_stream.settings import Settings

_GENERATED_FOR = "ecommerce"


class DemoOptions(msgspec.Struct, frozen=True):
    """What to stream, and where to keep the data; without a file, invented users."""

    data: Path | None
    file: Path | None
    mapping: str
    sort: bool
    speed: Speed
    rate: float
    users: int
    seed: int


class Job(msgspec.Struct, frozen=True):
    """A demo that is ready to run.

    Attributes
    ----------
    records
        Begins the stream.
    position
        Bytes of the file read so far; None for invented users.
    rows
        Rows of the file read so far, and blank lines; of invented users none.
    left_out
        Rows that don't fit the filters of the mapping, counted by what they had.
    unread
        Values that the mapping could not read, counted by their place in the event.
    total_bytes
        Of the file.
    """

    folder: Path
    settings: Settings
    pack: Pack
    records: Callable[[], Iterator[ProducerRecord]]
    speed: Speed
    position: Callable[[], int | None]
    rows: Callable[[], tuple[int, int]]
    left_out: Mapping[str, int]
    unread: Mapping[str, int]
    total_bytes: int | None


@contextmanager
def prepared(options: DemoOptions, settings: Settings, clock: Clock) -> Iterator[Job]:
    """Check all that can be checked before servers are started, and download Kafka's jars if they are missing.

    Raises
    ------
    ConfigError
        The file, mapping, pack or an option is wrong.
    LocalServiceError
        The jars can't be downloaded.
    """
    with _open(options, clock, settings.hash_key) as source:
        is_file = isinstance(source, ReplaySource)
        settings = pack_for(settings, source.mapping.pack if isinstance(source, ReplaySource) else _GENERATED_FOR)
        pack = load_pack(settings.pack, nobody=settings.nobody)
        kafka_classpath()
        with _folder(options.data or settings.data_dir) as folder:
            yield Job(
                folder=folder,
                settings=settings,
                pack=pack,
                records=source.__iter__ if isinstance(source, ReplaySource) else source.records,
                speed=options.speed if is_file else "realtime",
                position=lambda: source.bytes_read if isinstance(source, ReplaySource) else None,
                rows=lambda: (source.rows_read, source.rows_skipped) if isinstance(source, ReplaySource) else (0, 0),
                left_out=source.left_out if isinstance(source, ReplaySource) else {},
                unread=source.unread if isinstance(source, ReplaySource) else {},
                total_bytes=source.total_bytes if isinstance(source, ReplaySource) else None,
            )


@contextmanager
def _open(options: DemoOptions, clock: Clock, key: bytes) -> Iterator[ReplaySource | Traffic]:
    if options.file is not None:
        with ReplaySource(options.file, options.mapping, sort=options.sort, key=key) as source:
            yield source
    else:
        start_ms = clock.now_ms()
        yield Traffic(TrafficOptions(users=options.users, rate=options.rate, seed=options.seed, start_ms=start_ms))


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
        yield wanted.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="ubi-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)

"""What the demo streams, a file or a story, and where it keeps the data.

All of this comes before the event loop, so Ctrl-C ends it at once.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ubi_stream.data.pacing import Speed
from ubi_stream.data.source import ReplaySource
from ubi_stream.local.jars import kafka_classpath
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.schema import Pack
from ubi_stream.settings import Settings
from ubi_stream.synthetic.population import TrafficOptions
from ubi_stream.terminal.configured import pack_for

_GENERATED_FOR = "ecommerce"


class DemoOptions(msgspec.Struct, frozen=True):
    """What to stream, and where to keep the data; without a file, a story of invented users."""

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
    source
        The file to stream; None for the story.
    speed
        How fast a file is sent.
    """

    folder: Path
    settings: Settings
    pack: Pack
    options: DemoOptions
    source: ReplaySource | None

    @property
    def keeps_data(self) -> bool:
        """Whether the folder stays when the demo ends."""
        return (self.options.data or self.settings.data_dir) is not None


@contextmanager
def prepared(options: DemoOptions, settings: Settings) -> Iterator[Job]:
    """Check all that can be checked before servers are started, and download Kafka's jars if they are missing.

    Raises
    ------
    ConfigError
        The file, mapping, pack or an option is wrong.
    LocalServiceError
        The jars can't be downloaded.
    """
    with _open(options, settings.hash_key) as source:
        settings = pack_for(settings, _GENERATED_FOR if source is None else source.mapping.pack)
        pack = load_pack(settings.pack, nobody=settings.nobody)
        kafka_classpath()
        with _folder(options.data or settings.data_dir) as folder:
            yield Job(folder, settings, pack, options, source)


@contextmanager
def _open(options: DemoOptions, key: bytes) -> Iterator[ReplaySource | None]:
    if options.file is None:
        TrafficOptions(users=options.users, rate=options.rate).check()
        yield None
        return
    with ReplaySource(options.file, options.mapping, sort=options.sort, key=key) as source:
        yield source


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
        yield wanted.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="ubi-demo-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)

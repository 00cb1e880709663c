"""A consistent copy of a deployment's state in one file: every lane as of one moment, models and offsets included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from ubi_stream import __version__
from ubi_stream.clock import Clock
from ubi_stream.errors import TopicLayoutError
from ubi_stream.insights.encoding import iso_time
from ubi_stream.kafka.topic_identity import partition_epochs
from ubi_stream.operations.archive import ArchiveRows, ArchiveWriter, Manifest, PartitionStart, archive_writer
from ubi_stream.operations.cluster import Cluster, changelogs, connected, partition_topics
from ubi_stream.operations.consistent_snapshot import ConsistentSnapshot, take_snapshot
from ubi_stream.packs.schema import Pack
from ubi_stream.privacy.keyring import KeyRing
from ubi_stream.settings import Settings

_ROWS: Final = 500
"""Rows of one frame: half a megabyte of states."""
OnProgress = Callable[[int, int], None]
"""Told how many lanes of how many are done."""


class BackupSummary(msgspec.Struct, frozen=True):
    """What is in a backup.

    Attributes
    ----------
    unprocessed
        Events on the topics that no state has yet: a restore reads them, as long as the topics keep them.
    quarantined
        Records of the changelogs that can't be read, and are not in the backup.
    """

    file: str
    bytes: int
    tasks: int
    states: int
    unprocessed: int
    quarantined: int
    seconds: float


async def back_up(
    settings: Settings,
    pack: Pack,
    path: Path,
    clock: Clock,
    *,
    on_progress: OnProgress = lambda _done, _of: None,
    on_retry: Callable[[str], None] | None = None,
) -> BackupSummary:
    """Write a backup; workers may run meanwhile.

    Raises
    ------
    ConfigError
        The file is there already, or can't be written.
    TopicLayoutError
        A topic is missing, or has another number of partitions than the settings say.
    RecoveryError
        A changelog can't be read.
    BrokerUnavailableError
        Kafka can't be reached.
    """
    started_s = clock.monotonic_s()
    tasks = list(partition_topics(settings, pack, settings.partitions))
    states = unprocessed = quarantined = 0
    with archive_writer(path, KeyRing.parse(settings.ring)) as archive:
        async with connected(settings, clock, on_retry) as cluster:
            await _require_topics(cluster, settings, pack)
            manifest = await _manifest(cluster, settings, pack, clock)
            archive.write(manifest)
            for number, task in enumerate(tasks):
                on_progress(number, len(tasks))
                cut = await take_snapshot(cluster, task, clock, epoch=manifest.epochs[task.entity])
                _write_partition(archive, task.entity, task.partition, cut)
                at = {tp: cut.offsets[tp.topic] for tp in task.sources if tp.topic in cut.offsets}
                unprocessed += sum((await cluster.waiting(task.sources, at)).values())
                states += len(cut.states)
                quarantined += cut.quarantined
        archive.finish()
    return BackupSummary(
        file=str(path),
        bytes=_size(path),
        tasks=len(tasks),
        states=states,
        unprocessed=unprocessed,
        quarantined=quarantined,
        seconds=round(clock.monotonic_s() - started_s, 3),
    )


def _size(path: Path) -> int:
    return path.stat().st_size


async def _require_topics(cluster: Cluster, settings: Settings, pack: Pack) -> None:
    counts = await cluster.partition_counts()
    for topic in (settings.events_topic, *changelogs(settings, pack)):
        if counts.get(topic) != settings.partitions:
            found = f"has {counts[topic]} partitions" if topic in counts else "does not exist"
            raise TopicLayoutError(
                f"topic {topic} {found}, UBI_PARTITIONS says {settings.partitions}: are UBI_APP_ID and "
                "UBI_TOPIC_PREFIX those of the workers?"
            )


async def _manifest(cluster: Cluster, settings: Settings, pack: Pack, clock: Clock) -> Manifest:
    return Manifest(
        product_version=__version__,
        created=iso_time(clock.now_ms()),
        app_id=settings.app_id,
        topic_prefix=settings.topic_prefix,
        pack=pack.name,
        pack_version=pack.version,
        types=pack.events.types,
        partitions=settings.partitions,
        epochs=await partition_epochs(cluster.admin, settings, pack),
    )


def _write_partition(archive: ArchiveWriter, entity: str, partition: int, cut: ConsistentSnapshot) -> None:
    learned = {} if cut.memory is None else cut.memory.progress.learned
    archive.write(PartitionStart(entity, partition, cut.offsets, learned))
    for rows in _in_parts(cut.states.items(), _ROWS):
        archive.write(ArchiveRows(records=False, rows=rows))
    for rows in _in_parts(cut.chunks.items(), 1):  # up to 800 kB each
        archive.write(ArchiveRows(records=True, rows=rows))


def _in_parts(items: Iterable[tuple[bytes, bytes]], size: int) -> Iterator[list[tuple[bytes, bytes]]]:
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part

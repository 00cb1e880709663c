"""Puts a backup into empty changelogs, and the group's offsets to where its states are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from ubi_stream.clock import Clock
from ubi_stream.errors import ConfigError, DeliveryError, TopicLayoutError
from ubi_stream.kafka.client import client_options
from ubi_stream.kafka.outbox import KafkaOutbox
from ubi_stream.kafka.topic_identity import partition_epochs
from ubi_stream.operations.archive import ArchiveRows, End, Manifest, PartitionStart, read_archive
from ubi_stream.operations.backup import OnProgress
from ubi_stream.operations.cluster import Cluster, PartitionTopics, changelogs, connected, partition_topics
from ubi_stream.packs.schema import Pack
from ubi_stream.partition import check_types
from ubi_stream.privacy.keyring import NO_KEYS, KeyRing
from ubi_stream.runtime.backlog import Offsets
from ubi_stream.runtime.topics import ensure_topics
from ubi_stream.settings import Settings


class RestoreSummary(msgspec.Struct, frozen=True):
    """What a restore did.

    Attributes
    ----------
    created
        When the backup was taken, ISO 8601.
    to_process
        Events that the workers read next: what came to the topics since the backup.
    expired
        Events since the backup that the topics no longer have: they are lost to the states.
    not_in_states
        Only with new topics: events that models had learned from, and the states perhaps not yet. They were on the
        topics of before.
    """

    created: str
    tasks: int
    rows: int
    to_process: int
    expired: int
    not_in_states: int
    seconds: float


class Survey(msgspec.Struct, frozen=True):
    """What a backup holds, known after all of it was checked."""

    manifest: Manifest
    tasks: tuple[PartitionStart, ...]
    end: End


def survey(path: Path, ring: KeyRing = NO_KEYS) -> Survey:
    """Read and check a whole backup, keeping none of its rows.

    Raises
    ------
    ConfigError
        It is no backup, of another version, damaged or cut off.
    """
    manifest: Manifest | None = None
    tasks: list[PartitionStart] = []
    for frame in read_archive(path, ring):
        if isinstance(frame, Manifest):
            manifest = frame
        elif isinstance(frame, PartitionStart):
            tasks.append(frame)
        elif isinstance(frame, End) and manifest is not None:
            return Survey(manifest, tuple(tasks), frame)
    raise ConfigError(f"{path} does not say what it is a backup of")


async def restore_backup(
    settings: Settings,
    pack: Pack,
    path: Path,
    clock: Clock,
    *,
    new_topics: bool = False,
    on_progress: OnProgress = lambda _done, _of: None,
    on_retry: Callable[[str], None] | None = None,
) -> RestoreSummary:
    """Restore a backup; no worker may run. Everything is checked before anything is written.

    Parameters
    ----------
    new_topics
        The events topic is not the one that the backup knows: its offsets are dropped, and the topic is read from its
        beginning.

    Raises
    ------
    ConfigError
        The file is damaged, or of another pack.
    TopicLayoutError
        Workers run, the changelogs are not empty, or the topics are others.
    DeliveryError, BrokerUnavailableError
        Kafka did not take all of it: empty the changelogs and begin again.
    """
    started_s = clock.monotonic_s()
    found = survey(path, KeyRing.parse(settings.ring))
    _check_pack(found.manifest, settings, pack)
    async with connected(settings, clock, on_retry) as cluster:
        await cluster.require_idle_group(to="restore")
        await _require_empty(cluster, pack)
        same = await _same_topics(cluster, found.manifest, pack)
        if not same and not new_topics:
            raise TopicLayoutError(
                f"the topics of prefix {settings.topic_prefix} are not those that the backup was taken from "
                f"({found.manifest.topic_prefix}): its offsets say nothing about them. With --new-topics the "
                "state goes on without offsets, and workers read the topics from their beginning"
            )
        await ensure_topics(cluster.admin, settings, pack)
        tasks = {(task.entity, task.partition): task for task in partition_topics(settings, pack, settings.partitions)}
        await _write_rows(settings, path, tasks, on_progress)
        offsets, expired = await _offsets(cluster, found.tasks if same else (), list(tasks.values()))
        await cluster.commit(offsets)
        ends = await cluster.ends(offsets)
    return RestoreSummary(
        created=found.manifest.created,
        tasks=found.end.tasks,
        rows=found.end.rows,
        to_process=sum(ends[tp] - offset for tp, offset in offsets.items()),
        expired=expired,
        not_in_states=0 if same else sum(map(_ahead, found.tasks)),
        seconds=round(clock.monotonic_s() - started_s, 3),
    )


def _check_pack(manifest: Manifest, settings: Settings, pack: Pack) -> None:
    if manifest.pack != pack.name:
        raise ConfigError(
            f"the backup is of pack {manifest.pack}, UBI_PACK is {pack.name}: set it to that of the backup"
        )
    check_types(manifest.types, pack)
    if missing := manifest.epochs.keys() - {entity.name for entity in pack.entities}:
        raise ConfigError(
            f"the backup has states of {', '.join(sorted(missing))}, which the pack {pack.name} no longer has"
        )
    if manifest.partitions != settings.partitions:
        raise TopicLayoutError(
            f"the backup has {manifest.partitions} partitions, UBI_PARTITIONS is {settings.partitions}: restore with "
            f"UBI_PARTITIONS={manifest.partitions}, and run `ubi repartition` afterwards"
        )


async def _require_empty(cluster: Cluster, pack: Pack) -> None:
    """Nothing may be there that the restored states would be mixed with."""
    counts = await cluster.partition_counts()
    names = [name for name in changelogs(cluster.settings, pack) if name in counts]
    tasks = [
        tp
        for task in partition_topics(cluster.settings, pack, max((counts[name] for name in names), default=0))
        for tp in (task.states, task.records)
        if tp.partition < counts.get(tp.topic, 0)
    ]
    starts, ends = await cluster.starts(tasks), await cluster.ends(tasks)
    if full := sorted({tp.topic for tp in tasks if ends[tp] > starts[tp]}):
        raise TopicLayoutError(
            f"the changelogs {', '.join(full)} are not empty: delete these topics if their state is to go, or restore "
            "under another UBI_APP_ID"
        )


async def _same_topics(cluster: Cluster, manifest: Manifest, pack: Pack) -> bool:
    """Whether the sources are those of the backup, in the same life."""
    counts, settings = await cluster.partition_counts(), cluster.settings
    sources = {settings.events_topic, *(settings.repartition_topic(entity.name) for entity in pack.entities)}
    if sources - counts.keys():
        return False
    epochs = await partition_epochs(cluster.admin, settings, pack)
    return all(epochs[entity] == epoch for entity, epoch in manifest.epochs.items())


async def _write_rows(
    settings: Settings, path: Path, tasks: dict[tuple[str, int], PartitionTopics], on_progress: OnProgress
) -> None:
    outbox = KafkaOutbox(client_options(settings), timeout_s=settings.delivery_timeout_s)
    await outbox.start()
    try:
        task: PartitionTopics | None = None
        for done, frame in enumerate(read_archive(path, KeyRing.parse(settings.ring))):
            if isinstance(frame, PartitionStart):
                task = tasks[frame.entity, frame.partition]
            elif isinstance(frame, ArchiveRows) and task is not None:
                target = task.records if frame.records else task.states
                await outbox.write(target.topic, target.partition, frame.rows)
            on_progress(done, 0)
    except DeliveryError as error:
        raise DeliveryError(f"{error}; the changelogs are half full: delete them, and restore again") from error
    finally:
        await outbox.stop()


async def _offsets(
    cluster: Cluster, saved: tuple[PartitionStart, ...], tasks: list[PartitionTopics]
) -> tuple[Offsets, int]:
    """Where each source partition is to go on, and how many events of before are gone by now."""
    wanted = {(task.entity, task.partition): task.offsets for task in saved}
    starts = await cluster.starts(tp for task in tasks for tp in task.sources)
    offsets: Offsets = {}
    expired = 0
    for task in tasks:
        for tp in task.sources:
            offset = wanted.get((task.entity, task.partition), {}).get(tp.topic, starts[tp])
            expired += max(0, starts[tp] - offset)
            offsets[tp] = max(offset, starts[tp])
    return offsets, expired


def _ahead(task: PartitionStart) -> int:
    """Events between what is committed, and so in the states, and what was learned from."""
    return sum(max(0, last + 1 - task.offsets.get(topic, 0)) for topic, last in task.learned.items())

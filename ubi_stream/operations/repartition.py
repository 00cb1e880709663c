"""Moves all state into a layout of more partitions, and makes the topics so; no worker runs meanwhile.

Everything may be interrupted and done again. Until all of it is done, the topic of forwarded user events has its old
number of partitions: it says what the layout was, and workers, which compare all topics, don't start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
from aiokafka.admin import NewPartitions

from ubi_stream.checkpoint import CheckpointPosition, checkpoint_chunks
from ubi_stream.clock import Clock
from ubi_stream.errors import TopicLayoutError
from ubi_stream.kafka.client import client_options
from ubi_stream.kafka.outbox import Change, KafkaOutbox
from ubi_stream.kafka.topic_identity import partition_epochs
from ubi_stream.operations.backup import OnProgress
from ubi_stream.operations.cluster import Cluster, PartitionTopics, changelogs, connected, partition_topics
from ubi_stream.operations.consistent_snapshot import ConsistentSnapshot, take_snapshot
from ubi_stream.operations.repartition_plan import move_states, new_memories
from ubi_stream.packs.schema import Pack
from ubi_stream.partition import check_types
from ubi_stream.runtime.backlog import Offsets
from ubi_stream.runtime.topics import all_topics
from ubi_stream.settings import Settings
from ubi_stream.state.codec import Tombstone


class RepartitionSummary(msgspec.Struct, frozen=True):
    """What was done.

    Attributes
    ----------
    states, moved
        States in all, and how many of them are in another partition now.
    skew_ms
        By how much event time differed between the partitions: what fell silent within it is not told.
    backlog
        Events of the old partitions that are not processed yet: of users who moved, they are forwarded.
    """

    before: int
    partitions: int
    states: int
    moved: int
    skew_ms: int
    backlog: int
    seconds: float


async def repartition(
    settings: Settings,
    pack: Pack,
    partitions: int,
    clock: Clock,
    *,
    with_backlog: bool = False,
    on_progress: OnProgress = lambda _done, _of: None,
    on_retry: Callable[[str], None] | None = None,
) -> RepartitionSummary:
    """Go over to so many partitions.

    Parameters
    ----------
    with_backlog
        Also if events of the old partitions are not processed yet.

    Raises
    ------
    TopicLayoutError
        Workers run, the topics are not those of one layout, there are not more partitions than before, or something is
        not processed yet.
    DeliveryError, RecoveryError, BrokerUnavailableError
        Kafka did not do its part: begin again.
    """
    started_s = clock.monotonic_s()
    async with connected(settings, clock, on_retry) as cluster:
        await cluster.require_idle_group(to="repartition")
        counts = await cluster.partition_counts()
        before = _layout(counts, settings, pack, partitions)
        positions, backlog = await _drained(cluster, pack, before, with_backlog=with_backlog)
        await _grow(cluster, {name: counts[name] for name in changelogs(settings, pack)}, partitions)
        outbox = KafkaOutbox(client_options(settings), timeout_s=settings.delivery_timeout_s)
        await outbox.start()
        try:
            move = _Move(cluster, pack, clock, outbox, before, partitions, positions)
            states, moved, skew_ms = await move.run(on_progress)
        finally:
            await outbox.stop()
        last = settings.repartition_topic(pack.entities[0].name)
        others = all_topics(settings, pack).keys() - {last, *changelogs(settings, pack)}
        await _grow(cluster, {name: counts[name] for name in others if name in counts}, partitions)
        await _grow(cluster, {last: before}, partitions)
    seconds = round(clock.monotonic_s() - started_s, 3)
    return RepartitionSummary(before, partitions, states, moved, skew_ms, backlog, seconds)


class _Move:
    """Reads the lanes of the old layout, and writes those of the new one."""

    def __init__(
        self,
        cluster: Cluster,
        pack: Pack,
        clock: Clock,
        outbox: KafkaOutbox,
        before: int,
        partitions: int,
        positions: Offsets,
    ) -> None:
        self._cluster = cluster
        self._pack = pack
        self._clock = clock
        self._outbox = outbox
        self._before = before
        self._positions = positions
        self._tasks: dict[str, list[PartitionTopics]] = {}
        for task in partition_topics(cluster.settings, pack, partitions):
            self._tasks.setdefault(task.entity, []).append(task)

    async def run(self, on_progress: OnProgress) -> tuple[int, int, int]:
        """All of it; returns states, how many of them moved, and the skew in event time."""
        epochs = await partition_epochs(
            self._cluster.admin,
            self._cluster.settings,
            self._pack,
            partitions=len(next(iter(self._tasks.values()))),
        )
        states = moved = skew_ms = done = 0
        for entity, tasks in self._tasks.items():
            cuts: list[ConsistentSnapshot] = []
            for task in tasks[: self._before]:
                on_progress(done, len(self._tasks) * self._before)
                cut, written, gone = await self._move_partition(task, tasks, epochs[entity])
                states, moved, done = states + written, moved + gone, done + 1
                cuts.append(replace(cut, states={}))  # one partition in memory at a time
            times = [cut.memory.progress.watermark_ms for cut in cuts if cut.memory is not None]
            skew_ms = max(skew_ms, max(times, default=0) - min(times, default=0))
            await self._write_records(entity, tasks, cuts, epochs[entity])
        return states, moved, skew_ms

    async def _move_partition(
        self, task: PartitionTopics, tasks: list[PartitionTopics], epoch: int
    ) -> tuple[ConsistentSnapshot, int, int]:
        cut = await take_snapshot(self._cluster, task, self._clock, epoch=epoch)
        if cut.memory is not None:
            check_types(cut.memory.types, self._pack)
        next_offsets = [self._positions.get(target.sources[0], 0) for target in tasks]
        by_partition = move_states(cut.states, cut.memory, epoch=epoch, next_offsets=next_offsets)
        gone: list[Change] = []
        for number, rows in by_partition.items():
            await self._outbox.write(task.states.topic, number, rows)
            if number != task.partition:
                gone += [(key, Tombstone()) for key, _ in rows]
        await self._outbox.write(task.states.topic, task.partition, gone)  # only when they are where they belong
        return cut, sum(map(len, by_partition.values())), len(gone)

    async def _write_records(
        self, entity: str, tasks: list[PartitionTopics], cuts: list[ConsistentSnapshot], epoch: int
    ) -> None:
        next_offsets = [{tp.topic: self._positions.get(tp, 0) for tp in task.sources} for task in tasks]
        memories = new_memories([cut.memory for cut in cuts], next_offsets)
        for number, memory in enumerate(memories):
            chunks = checkpoint_chunks(memory, entity, number, epoch=epoch, place=CheckpointPosition(1))
            before = cuts[number].chunks if number < len(cuts) else {}
            gone = [(key, Tombstone()) for key in before.keys() - {key for key, _ in chunks}]
            await self._outbox.write(tasks[number].records.topic, number, [*chunks, *gone])


def _layout(counts: dict[str, int], settings: Settings, pack: Pack, partitions: int) -> int:
    """Number of partitions of the layout that there is."""
    first = settings.repartition_topic(pack.entities[0].name)
    if first not in counts or any(name not in counts for name in changelogs(settings, pack)):
        raise TopicLayoutError(
            f"there is no state of {settings.app_id} on topics of prefix {settings.topic_prefix}: are UBI_APP_ID and "
            "UBI_TOPIC_PREFIX those of the workers?"
        )
    before = counts[first]
    if partitions <= before:
        raise TopicLayoutError(
            f"the topics have {before} partitions, {partitions} are asked for: Kafka can add partitions, not take "
            "any away"
        )
    for name in all_topics(settings, pack):
        if counts.get(name, before) not in range(before, partitions + 1):
            raise TopicLayoutError(
                f"topic {name} has {counts[name]} partitions, neither {before} as before nor {partitions} as asked "
                f"for: repartition to {max(counts.values())}, or put the topic right"
            )
    return before


async def _drained(cluster: Cluster, pack: Pack, before: int, *, with_backlog: bool) -> tuple[Offsets, int]:
    """Where each source partition of the old layout is, and how many events of users wait there.

    Raises
    ------
    TopicLayoutError
        Something waits. What workers forwarded to an entity's old partition must be processed there.
    """
    sources = [tp for task in partition_topics(cluster.settings, pack, before) for tp in task.sources]
    committed, starts = await cluster.committed(), await cluster.starts(sources)
    positions = {tp: max(committed.get(tp, 0), starts[tp]) for tp in sources}
    waiting: dict[str, int] = {}
    for tp, count in (await cluster.waiting(sources, positions)).items():
        waiting[tp.topic] = waiting.get(tp.topic, 0) + count
    events = cluster.settings.events_topic
    if waiting.keys() - {events} or (waiting and not with_backlog):
        listed = ", ".join(f"{count:,} records of {topic}" for topic, count in sorted(waiting.items()))
        raise TopicLayoutError(
            f"{listed} are not processed yet: stop the producers, let the workers catch up with "
            f"UBI_PARTITIONS={before}, stop them, and repartition then. If the events topic has its new partitions "
            "already, workers can't: --with-backlog goes on with events that wait, and forwards them where users move"
        )
    return positions, waiting.get(events, 0)


async def _grow(cluster: Cluster, counts: dict[str, int], partitions: int) -> None:
    """Give topics their new partitions, and wait until the broker knows them."""
    wanted = {name: NewPartitions(partitions) for name, count in counts.items() if count < partitions}
    if wanted:
        await cluster.admin.create_partitions(wanted)
        await cluster.until_partitioned(list(wanted), partitions)

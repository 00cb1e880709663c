"""Reads one lane's changelogs as a crash at one moment would have left them.

A lane writes its record, then its states, then commits; and begins the next barrier only after that. So if no piece of
a record was written while the end of the states was asked for, then the states up to there hold everything of the
barriers before the newest record, and nothing of one after it. Offsets committed before that moment are covered by
these states. That is one of the moments at which `docs/delivery.md` says that a crash is harmless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition

from ubi_stream.checkpoint import PartitionMemory, newer_chunk, read_checkpoint
from ubi_stream.clock import Clock
from ubi_stream.errors import RecoveryError
from ubi_stream.kafka.changelog_store import PartitionedContent
from ubi_stream.kafka.client import client_options
from ubi_stream.kafka.restore import Restorer
from ubi_stream.operations.cluster import Cluster, PartitionTopics
from ubi_stream.runtime.backlog import Offsets
from ubi_stream.state.codec import newer_state

DEADLINE_S: Final = 45 * 60.0
"""Of reading one lane. Compaction leaves records alone for an hour (`min.compaction.lag.ms`): within it, the version
of a state that belongs to the cut is still there when a later one has been written."""
_ATTEMPTS: Final = 50
"""Barriers come every 2 s, and asking takes some milliseconds: the second attempt nearly always succeeds."""


@dataclass(frozen=True, slots=True)
class ConsistentSnapshot:
    """One lane as of one moment.

    Attributes
    ----------
    offsets
        Next offset to be processed, by source topic; topics of which nothing was committed are not in it.
    states, pieces
        Content of its two tables.
    memory
        What the pieces come to; None for a lane that never had a barrier.
    quarantined
        Records of the changelogs that can't be read, and are left out.
    """

    offsets: dict[str, int]
    states: Mapping[bytes, bytes]
    chunks: Mapping[bytes, bytes]
    memory: PartitionMemory | None
    quarantined: int


async def take_snapshot(cluster: Cluster, task: PartitionTopics, clock: Clock, *, epoch: int) -> ConsistentSnapshot:
    """Read a lane, whether workers run or not. It is held in memory, as a worker holds it.

    Parameters
    ----------
    epoch
        Source epoch of the topics: of several records, one of this life counts.

    Raises
    ------
    RecoveryError
        It could not be read in time, or what was read is no moment of a lane.
    """
    committed = await cluster.committed()
    ends = await _between_barriers(cluster, task)
    states, chunks = PartitionedContent(newer_state), PartitionedContent(newer_chunk)
    restorer = Restorer(client_options(cluster.settings), clock, deadline_s=DEADLINE_S)
    tables = {task.states.topic: states, task.records.topic: chunks}
    await restorer.restore(tables, {task.partition}, ends=ends)
    found = read_checkpoint(chunks.content(task.partition).values(), task.partition, epoch=epoch)
    if found is None and states.content(task.partition):
        raise RecoveryError(f"{task.states.topic}, partition {task.partition}: there are states, but no record of them")
    return ConsistentSnapshot(
        offsets={tp.topic: committed[tp] for tp in task.sources if tp in committed},
        states=states.content(task.partition),
        chunks=chunks.content(task.partition),
        memory=None if found is None else found.memory,
        quarantined=restorer.progress.quarantined,
    )


async def _between_barriers(cluster: Cluster, task: PartitionTopics) -> Offsets:
    """Ends of both changelogs between which no piece of a record was written."""
    for _ in range(_ATTEMPTS):
        before = (await cluster.ends([task.records]))[task.records]
        states = (await cluster.ends([task.states]))[task.states]
        after: dict[TopicPartition, int] = await cluster.ends([task.records])
        if after[task.records] == before:
            return {task.states: states, task.records: before}
    raise RecoveryError(
        f"{task.records.topic}, partition {task.partition}: barriers come so fast that no moment between two "
        "was found; is UBI_FLUSH_INTERVAL_S very small?"
    )

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

from ubi_stream.chunked.content import PartitionedContent
from ubi_stream.chunked.restore import Restorer
from ubi_stream.clock import Clock
from ubi_stream.errors import RecoveryError
from ubi_stream.operations.cluster import Cluster, LaneTopics
from ubi_stream.partition_record import PartitionMemory, newer_piece, read_record
from ubi_stream.runtime.backlog import Offsets
from ubi_stream.runtime.kafka_client import client_options
from ubi_stream.state.codec import newer_state

DEADLINE_S: Final = 45 * 60.0
"""Of reading one lane. Compaction leaves records alone for an hour (`min.compaction.lag.ms`): within it, the version
of a state that belongs to the cut is still there when a later one has been written."""
_ATTEMPTS: Final = 50
"""Barriers come every 2 s, and asking takes some milliseconds: the second attempt nearly always succeeds."""


@dataclass(frozen=True, slots=True)
class LaneCut:
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
    pieces: Mapping[bytes, bytes]
    memory: PartitionMemory | None
    quarantined: int


async def cut_lane(cluster: Cluster, lane: LaneTopics, clock: Clock, *, epoch: int) -> LaneCut:
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
    ends = await _one_moment(cluster, lane)
    states, pieces = PartitionedContent(newer_state), PartitionedContent(newer_piece)
    restorer = Restorer(client_options(cluster.settings), clock, deadline_s=DEADLINE_S)
    tables = {lane.states.topic: states, lane.records.topic: pieces}
    await restorer.restore(tables, {lane.partition}, ends=ends)
    found = read_record(pieces.content(lane.partition).values(), lane.partition, epoch=epoch)
    if found is None and states.content(lane.partition):
        raise RecoveryError(f"{lane.states.topic}, partition {lane.partition}: there are states, but no record of them")
    return LaneCut(
        offsets={tp.topic: committed[tp] for tp in lane.sources if tp in committed},
        states=states.content(lane.partition),
        pieces=pieces.content(lane.partition),
        memory=None if found is None else found.memory,
        quarantined=restorer.progress.quarantined,
    )


async def _one_moment(cluster: Cluster, lane: LaneTopics) -> Offsets:
    """Ends of both changelogs between which no piece of a record was written."""
    for _ in range(_ATTEMPTS):
        before = (await cluster.ends([lane.records]))[lane.records]
        states = (await cluster.ends([lane.states]))[lane.states]
        after: dict[TopicPartition, int] = await cluster.ends([lane.records])
        if after[lane.records] == before:
            return {lane.states: states, lane.records: before}
    raise RecoveryError(
        f"{lane.records.topic}, partition {lane.partition}: barriers come so fast that no moment between two "
        "was found; is UBI_FLUSH_INTERVAL_S very small?"
    )

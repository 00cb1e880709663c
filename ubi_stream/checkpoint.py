"""A partition's record in the table of partition records: in pieces under Kafka's size limit, whole or not at all.

Two slots take turns, so that a crash between two pieces leaves the record before whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from ubi_stream.errors import RecoveryError
from ubi_stream.insights.windows import OpenWindows
from ubi_stream.rules.user_shares import RuleShares
from ubi_stream.state.erasure import Erasure
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.identities import Handover
from ubi_stream.state.progress import Progress

CHUNK_BYTES: Final = 800_000
"""Below Kafka's default limit of a record, 1 MiB, with room for keys and headers."""
SLOTS: Final = 2


class CheckpointChunk(msgspec.Struct, array_like=True, frozen=True):
    """One piece of a partition's record. More `done` is newer; a record counts when all its pieces are there.

    `done` grows with what was learned, and is never less than that of a piece which was written before.
    """

    version: int
    epoch: int
    generation: int
    done: int
    index: int
    chunks: int
    data: bytes


class PartitionMemory(msgspec.Struct):
    """What a partition's record holds.

    `population` is the memo of what was told of all entities together, `memos` those of single ones that changed since
    the barrier before; `types` are those that the states were counted with, `models` is a snapshot; `erased` are
    users that were erased, by the hash of their ids; `rule_shares` says how common it is to meet each rule;
    `handovers` are records for other partitions that are sent once this is durable.
    """

    progress: Progress
    population: InsightHistory
    insight_histories: dict[str, InsightHistory | None]
    windows: OpenWindows
    types: tuple[str, ...]
    models: bytes
    erased: dict[str, Erasure] = {}
    rule_shares: RuleShares = msgspec.field(default_factory=RuleShares)
    handovers: list[Handover] = []


_VERSION: Final = 1
_encode = msgspec.msgpack.Encoder().encode
_decode_chunk = msgspec.msgpack.Decoder(CheckpointChunk).decode
_decode_memory = msgspec.msgpack.Decoder(PartitionMemory).decode


class RestoredRecord(NamedTuple):
    """A partition's record, and which of its source's lives it is of."""

    epoch: int
    memory: PartitionMemory


class CheckpointPosition(NamedTuple):
    """What the next record of a partition follows: a generation, and what counts as done at least."""

    generation: int = 0
    done: int = 0

    def next(self) -> CheckpointPosition:
        """The place of the record after this one: in the other slot."""
        return self._replace(generation=self.generation + 1)


def checkpoint_chunks(
    memory: PartitionMemory, entity: str, partition: int, *, epoch: int, place: CheckpointPosition
) -> list[tuple[bytes, bytes]]:
    """Keys and values of a partition's record in the table of partition records."""
    data, generation = _encode(memory), place.generation
    chunks = [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]
    done = max(place.done, sum(offset + 1 for offset in memory.progress.learned.values()))
    return [
        (
            f"{entity}/{partition}/{generation % SLOTS}/{index}".encode(),
            _encode(CheckpointChunk(_VERSION, epoch, generation, done, index, len(chunks), chunk)),
        )
        for index, chunk in enumerate(chunks)
    ]


def read_checkpoint(blobs: Iterable[bytes], partition: int, *, epoch: int | None = None) -> RestoredRecord | None:
    """The newest whole record of a partition: of this source epoch where there is one, else of any; None without one.

    Raises
    ------
    RecoveryError
        A piece or the record can't be read.
    """
    newest = _newest_of([read_chunk(blob) for blob in blobs], epoch)
    if not newest:
        return None
    try:
        memory = _decode_memory(b"".join(chunk.data for chunk in newest))
    except msgspec.DecodeError as error:
        raise RecoveryError(f"the record of partition {partition} can't be read: {error}") from error
    return RestoredRecord(newest[0].epoch, memory)


def last_place(blobs: Iterable[bytes], *, epoch: int) -> CheckpointPosition:
    """What the next record follows. It must win over every piece that is there, and leave the newest record whole.

    A crash may have left the first pieces of a record that had more done: what was learned since then is learned again,
    and the next cut may come earlier. Its pieces would lose against those at a restore, and be no record.

    Raises
    ------
    RecoveryError
        A piece can't be read.
    """
    chunks = [read_chunk(blob) for blob in blobs]
    whole = _newest_of(chunks, epoch)
    local = [chunk for chunk in chunks if chunk.epoch == epoch]
    generation = max((chunk.generation for chunk in local or whole), default=0)
    if whole and (generation + 1) % SLOTS == whole[0].generation % SLOTS:
        generation += 1
    return CheckpointPosition(generation, max((chunk.done for chunk in local), default=0))


def read_chunk(blob: bytes) -> CheckpointChunk:
    """Read a piece of a partition's record.

    Raises
    ------
    RecoveryError
        It is none, or of a version that this release does not know.
    """
    try:
        chunk = _decode_chunk(blob)
    except msgspec.DecodeError as error:
        raise RecoveryError(f"a piece of a partition's record can't be read: {error}") from error
    if chunk.version != _VERSION:
        raise RecoveryError(f"a partition's record has version {chunk.version}, {_VERSION} was expected")
    return chunk


def newer_chunk(known: bytes, other: bytes) -> bool:
    """Whether the other of two pieces of one key is at least as new. Of two source epochs, the later written is.

    Raises
    ------
    RecoveryError
        One of them is no piece.
    """
    local, theirs = read_chunk(known), read_chunk(other)
    return theirs.epoch != local.epoch or (theirs.done, theirs.generation) >= (local.done, local.generation)


def newest_checkpoint(chunks: list[CheckpointChunk]) -> list[CheckpointChunk]:
    """Pieces of the newest record that is whole, in order; none if there is none."""
    by_generation: dict[tuple[int, int], dict[int, CheckpointChunk]] = {}
    for chunk in chunks:
        by_generation.setdefault((chunk.done, chunk.generation), {})[chunk.index] = chunk
    whole = {key: found for key, found in by_generation.items() if len(found) == found[max(found)].chunks}
    if not whole:
        return []
    found = whole[max(whole)]
    return [found[index] for index in sorted(found)]


def _newest_of(chunks: list[CheckpointChunk], epoch: int | None) -> list[CheckpointChunk]:
    return newest_checkpoint([chunk for chunk in chunks if chunk.epoch == epoch]) or newest_checkpoint(chunks)

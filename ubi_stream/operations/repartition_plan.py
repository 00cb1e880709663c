"""What becomes of states and partitions' records when there are more partitions: pure, on content that was read.

A user's state goes to the partition that the user's id now belongs to. What a partition knows of all its users (models,
what was told of all of them) is copied from partition `number % before`: where the number of partitions is doubled, all
of its users come from there; else that partition is as good as any, for models are about everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ubi_stream.checkpoint import PartitionMemory
from ubi_stream.insights.windows import OpenWindows
from ubi_stream.kafka.partitioner import partition_of
from ubi_stream.state.codec import decode_state, encode_state
from ubi_stream.state.erasure import MAX_ERASED, Erasure
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.progress import Progress

Rows = list[tuple[bytes, bytes]]


def move_states(
    states: Mapping[bytes, bytes], memory: PartitionMemory | None, *, epoch: int, next_offsets: Sequence[int]
) -> dict[int, Rows]:
    """States of one partition by their new partitions, in the new source epoch; those that are in it are left out.

    Parameters
    ----------
    memory
        The partition's record: what it says was told goes into the states.
    epoch
        Source epoch of the new layout.
    next_offsets
        By new partition, the offset of the entities' own topic that is processed next. A state contains everything of
        its entity before that, be it from there or from the partition that the entity was in.
    """
    insight_histories = {} if memory is None else memory.insight_histories
    moved: dict[int, Rows] = {}
    for key, blob in states.items():
        number, (header, state) = partition_of(key, len(next_offsets)), decode_state(blob)
        if header.epoch == epoch:
            continue  # moved here just now, or before an interruption
        if (entity_id := key.decode()) in insight_histories:
            state.history = insight_histories[entity_id] or InsightHistory()
        moved.setdefault(number, []).append((key, encode_state(state, epoch=epoch, offset=next_offsets[number] - 1)))
    return moved


def new_memories(
    before: Sequence[PartitionMemory | None], next_offsets: Sequence[Mapping[str, int]]
) -> list[PartitionMemory]:
    """Records of the new partitions.

    Time is that of the partition which is furthest: all their users come together, and time never goes back. Open
    windows stay where they are: they are counts of a partition, and only add up. Marks of forwards are the last of all.
    Who was erased is kept by a hash, which does not tell a partition: all get all of them. Profiles that were about to
    be handed over are sent by the first.

    Parameters
    ----------
    before
        Records of the partitions that there were, in their order; None of one that never had a barrier.
    next_offsets
        By new partition and source topic, the offset that is processed next.

    Returns
    -------
    One for each new partition; none at all where no partition had one.
    """
    known = [memory for memory in before if memory is not None]
    if not known:
        return []
    watermark_ms = max(memory.progress.watermark_ms for memory in known)
    forwarded: dict[str, int] = {}
    for memory in known:
        for sender, offset in memory.progress.forwarded.items():
            forwarded[sender] = max(offset, forwarded.get(sender, -1))
    erased = _all_erased(known)
    handovers = [one.of_layout(f"of-{len(before)}-partitions") for memory in known for one in memory.handovers]
    memories = []
    for number, offsets in enumerate(next_offsets):
        like = before[number % len(before)] or known[0]
        own = before[number] if number < len(before) else None
        learned = {topic: offset - 1 for topic, offset in offsets.items() if offset > 0}
        memories.append(
            msgspec.structs.replace(
                like,
                progress=Progress(learned, watermark_ms, dict(forwarded)),
                insight_histories={},
                erased=dict(erased),
                windows=OpenWindows() if own is None else own.windows,
                handovers=handovers if number == 0 else [],
            )
        )
    return memories


def _all_erased(memories: Iterable[PartitionMemory]) -> dict[str, Erasure]:
    """Erased users of all partitions, oldest first, as many of the newest as a partition keeps."""
    newest: dict[str, Erasure] = {}
    for memory in memories:
        for erased_id, erasure in memory.erased.items():
            before = newest.get(erased_id)
            if before is None or (erasure.at_ms, erasure.arrived_ms) > (before.at_ms, before.arrived_ms):
                newest[erased_id] = erasure.without_position()
    ordered = sorted(newest.items(), key=lambda item: (item[1].arrived_ms, item[0]))
    return dict(ordered[-MAX_ERASED:])

"""How many records a group has not processed yet.

The end of a log is not a record: a transactional producer writes a marker behind each transaction, and records of an
aborted one never were. Nobody commits past them, so what lies between a committed offset and the end must be looked at.
Nor is a committed offset where a group stands, once retention has removed what follows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from ubi_stream.kafka.client import client_options
from ubi_stream.settings import Settings

Offsets = dict[TopicPartition, int]
Stretches = dict[TopicPartition, tuple[int, int]]
"""First offset and end of parts of logs."""
_POLL_MS: Final = 500
_IDLE_POLLS: Final = 4
"""Polls without progress after which what is left counts as records: those of a transaction that is still open."""


def uncommitted(
    partitions: Iterable[TopicPartition], committed: Mapping[TopicPartition, int], starts: Offsets, ends: Offsets
) -> Stretches:
    """Stretches of the log behind what a group has committed: first offset, and end. Empty ones are left out.

    >>> tp = TopicPartition("ubi.events", 0)
    >>> uncommitted([tp], {tp: 3}, {tp: 5}, {tp: 9}), uncommitted([tp], {}, {tp: 9}, {tp: 9})
    ({TopicPartition(topic='ubi.events', partition=0): (5, 9)}, {})
    """
    found = {tp: (max(committed.get(tp, 0), starts[tp]), ends[tp]) for tp in partitions}
    return {tp: (first, end) for tp, (first, end) in found.items() if first < end}


async def with_records(settings: Settings, stretches: Stretches) -> Stretches:
    """Those of the stretches that hold a record which a worker would process."""
    if not stretches:
        return {}
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False, isolation_level="read_committed")
    await consumer.start()
    try:
        return await _look(consumer, stretches)
    finally:
        await consumer.stop()


async def _look(consumer: Any, stretches: Stretches) -> Stretches:
    consumer.assign(list(stretches))
    left, idle = {}, 0
    for tp, (first, _) in stretches.items():
        consumer.seek(tp, first)
        left[tp] = first
    found: set[TopicPartition] = set()
    while left and idle < _IDLE_POLLS:
        polled = await consumer.getmany(*left, timeout_ms=_POLL_MS, max_records=len(left))
        found |= {tp for tp, records in polled.items() if records and records[0].offset < stretches[tp][1]}
        positions = {tp: await consumer.position(tp) for tp in left if tp not in found}
        idle = 0 if positions != left else idle + 1
        left = {tp: position for tp, position in positions.items() if position < stretches[tp][1]}
    return {tp: stretch for tp, stretch in stretches.items() if tp in found or tp in left}

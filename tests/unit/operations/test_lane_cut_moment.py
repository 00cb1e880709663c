"""A cut is one moment of a lane: no record was begun while the end of the states was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import pytest
from aiokafka import TopicPartition

from ubi_stream.errors import RecoveryError
from ubi_stream.operations.cluster import Cluster, PartitionTopics
from ubi_stream.operations.consistent_snapshot import _between_barriers
from ubi_stream.runtime.backlog import Offsets

STATES, RECORDS = TopicPartition("t-user_states-changelog", 1), TopicPartition("t-user_partitions-changelog", 1)
LANE = PartitionTopics("user", 1, (TopicPartition("t.events", 1),), STATES, RECORDS)


class Asked:
    """A broker at which a worker writes between two questions: `written` is the log's end at each of them."""

    def __init__(self, written: Iterable[tuple[TopicPartition, int]]) -> None:
        self.delayed_labels: Iterator[tuple[TopicPartition, int]] = iter(written)

    async def ends(self, partitions: list[TopicPartition]) -> Offsets:
        partition, end = next(self.delayed_labels)
        assert partitions == [partition]
        return {partition: end}


async def change(*written: tuple[TopicPartition, int]) -> Offsets:
    return await _between_barriers(cast(Cluster, Asked(written)), LANE)


async def test_without_a_barrier_in_between_the_ends_are_taken() -> None:
    assert await change((RECORDS, 8), (STATES, 50), (RECORDS, 8)) == {STATES: 50, RECORDS: 8}


async def test_with_a_record_begun_in_between_it_is_asked_again() -> None:
    # record 8 | states 50 | record 9 is begun: are the states up to 50 all of record 8, or is there one of record 9?
    found = await change((RECORDS, 8), (STATES, 50), (RECORDS, 9), (RECORDS, 9), (STATES, 70), (RECORDS, 9))
    assert found == {STATES: 70, RECORDS: 9}


async def test_barriers_without_a_pause_are_given_up_on() -> None:
    def restless() -> Iterator[tuple[TopicPartition, int]]:
        for end in range(1_000):
            yield (STATES, end) if end % 3 == 1 else (RECORDS, end)

    with pytest.raises(RecoveryError, match="UBI_FLUSH_INTERVAL_S"):
        await change(*restless())

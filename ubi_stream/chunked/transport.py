"""The chunked way through Faust: one Faust event for all records that a poll gave of one partition.

Faust's own way makes two tasks for each message (`Consumer._drain_messages`), about 70 µs; here that cost is paid once
a chunk. Commits are ours too: an offset is committed when a barrier says that everything up to it is done, and never
by counting acknowledged messages, where Faust can pass over one that is not (`docs/faust.md`, rows 3 and 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import faust
from faust.events import Event
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

FETCH_MAX_WAIT_MS: Final = 20
"""How long the broker may wait for records before it answers a fetch: an idle worker asks 50 times a second."""

Records = list[Any]
"""aiokafka consumer records of one partition, in order."""

ProcessChunk = Callable[[TP, Records], Awaitable[None]]


class ChunkTopic(faust.Topic):
    """A topic whose messages are chunks: nothing is decoded, the value is the list of records."""

    async def decode(self, message: Any, *, propagate: bool = False) -> Event:
        return Event(self.app, message.key, message.value, message.headers, message)


class ChunkConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with a short fetch."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Only one fetch is under way to a broker at a time. One that asks for idle partitions alone holds up all that
        # have records until it is answered: 1.5 s by Faust's choice.
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        return consumer

    async def pause(self, tps: Iterable[TP]) -> None:
        """Fetch nothing of these partitions."""
        partitions = [driver.ensure_aiokafka_TP(tp) for tp in tps]
        await self.call_thread(self._pause, partitions)

    async def _pause(self, partitions: list[Any]) -> None:
        self._ensure_consumer().pause(*partitions)


class ChunkConsumer(driver.Consumer):
    """Delivers chunks, checks that offsets have no holes, and commits what is marked as done.

    Attributes
    ----------
    chunk_topics
        Topics that are delivered in chunks. The others, changelogs, are not delivered at all: they are read by the
        recovery.
    on_gap
        Awaited with (partition, expected offset, found offset) when offsets are missing; returns if the log itself has
        the hole, and does not return otherwise.
    """

    chunk_topics: frozenset[str] = frozenset()
    on_gap: Callable[[TP, int, int], Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._done: dict[TP, int] = {}
        self._expected: dict[TP, int] = {}

    def _new_consumer_thread(self) -> ChunkConsumerThread:
        return ChunkConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def next_offsets(self) -> dict[TP, int]:
        """Offset of the record that each source partition will deliver next."""
        return self._expected

    # Delivery

    async def _drain_messages(self, fetcher: Any) -> None:
        while not (self._stopped.is_set() or fetcher._stopped.is_set()):
            generation = self.app.consumer_generation_id
            records_by_partition, active = await self._wait_next_records(1.0)
            await asyncio.sleep(0)
            for tp, records in self._chunks(records_by_partition):
                if not self.flow_active or generation != self.app.consumer_generation_id:
                    break  # a rebalance began: these records are fetched again by their new owner
                if active is not None and tp not in active and tp not in self._buffered_partitions:
                    continue
                await self._deliver(tp, records)

    def _chunks(self, records_by_partition: Mapping[Any, Records] | None) -> Iterator[tuple[TP, Records]]:
        for partition, records in (records_by_partition or {}).items():
            tp = TP(partition.topic, partition.partition)
            if records and tp.topic in self.chunk_topics:
                yield tp, records

    async def _deliver(self, tp: TP, records: Records) -> None:
        first, last = records[0].offset, records[-1].offset
        expected = self._expected.get(tp)
        if expected is not None and first < expected:
            records = [record for record in records if record.offset >= expected]
            if not records:
                return
            first = records[0].offset
        if expected is not None and first > expected:
            await self.on_gap(tp, expected, first)
        if not self.flow_active:
            return  # stopped while the hole was looked into
        self._expected[tp] = last + 1
        self._read_offset[tp] = last
        message = self._to_message(tp, records[-1])  # a chunk stands at its last offset
        message.value = records
        # A rebalance must not wait for room in the agent's queue: the chunk is fetched again afterwards.
        await self.wait_first(self.callback(message), self.suspend_flow.wait())

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's
        # A copy: the set is emptied in place by a rebalance, and aiokafka takes an empty set for "all partitions".
        frozen = None if active_partitions is None else frozenset(active_partitions)
        if frozen is not None and not frozen:
            return {}
        return await super()._getmany(frozen, timeout)

    async def perform_seek(self) -> None:
        """Go to the committed offsets; from there on, no offset may be missing."""
        await super().perform_seek()
        self._expected = {tp: offset for tp, offset in self._committed_offset.items() if offset is not None}

    # Commits

    def mark_done(self, tp: TP, next_offset: int) -> None:
        """Everything before `next_offset` is done: it may be committed."""
        self._done[tp] = max(next_offset, self._done.get(tp, 0))

    def _filter_tps_with_pending_acks(self, topics: Iterable[Any] | None = None) -> Iterator[TP]:
        wanted = None if topics is None else set(topics)
        return (tp for tp in list(self._done) if wanted is None or tp in wanted or tp.topic in wanted)

    def _new_offset(self, tp: TP) -> int | None:
        return self._done.pop(tp, None)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        # Changelogs belong to the assignment, so that tables go where their events are; nothing is read of them here.
        await self._thread.pause(tp for tp in assigned if tp.topic not in self.chunk_topics)
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._done.pop(tp, None)
            self._expected.pop(tp, None)


class ChunkTransport(driver.Transport):
    """Faust's aiokafka transport with our consumer."""

    Consumer = ChunkConsumer

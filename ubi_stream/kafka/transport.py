"""The chunked way through Faust: one Faust event for many records of a partition.

Faust's own way makes two tasks for each message (`Consumer._drain_messages`), about 70 µs; here that cost is paid once
a chunk. Commits are ours too: an offset is committed when a barrier says that everything up to it is done, and never
by counting acknowledged messages, where Faust can pass over one that is not (`docs/faust.md`, row 3).
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import faust
from faust.events import Event
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.threads import WorkerThread

FETCH_MAX_WAIT_MS: Final = 20
"""How long the broker may wait for records before it answers a fetch: an idle worker asks 50 times a second."""
FETCH_MIN_BYTES: Final = 32 * 1024
"""The broker waits for so much, or its time is up: in a pass of a hundred an event costs a tenth of one alone."""
POLL_S: Final = 0.25
"""Longest wait for records: a rebalance waits for the end of a poll before it seeks."""

Records = list[Any]
"""aiokafka consumer records of one partition, in order."""

ProcessChunk = Callable[[TP, Records], Awaitable[None]]


class ChunkTopic(faust.Topic):
    """A topic whose messages are chunks: nothing is decoded, the value is the list of records."""

    async def decode(self, message: Any, *, propagate: bool = False) -> Event:
        return Event(self.app, message.key, message.value, message.headers, message)


class _DaemonThread(WorkerThread):
    """A thread that waits for a broker which is away must not keep a process that has ended."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.daemon = True


class ChunkConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with a short fetch."""

    Worker = _DaemonThread

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Only one fetch is under way to a broker at a time. One that asks for idle partitions alone holds up all that
        # have records until it is answered: 1.5 s by Faust's choice.
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        consumer._fetch_min_bytes = FETCH_MIN_BYTES
        consumer._isolation_level = "read_committed"  # events of a producer's aborted transaction never were
        return consumer

    async def on_thread_stop(self) -> None:
        """Leave the group, and close the connections."""
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:  # while the broker is away, `stop()` ends with its own fetch's (aiokafka 0.14)
            await self._ensure_consumer()._client.close()

    @property
    def connected(self) -> bool:
        """Whether there is a connection to any broker."""
        return self._consumer is not None and any(
            connection.connected() for connection in list(self._consumer._client._conns.values())
        )

    async def pause(self, tps: Iterable[TP]) -> None:
        """Fetch nothing of these partitions."""
        partitions = [driver.ensure_aiokafka_TP(tp) for tp in tps]
        await self.call_thread(self._pause, partitions)

    async def _pause(self, partitions: list[Any]) -> None:
        self._ensure_consumer().pause(*partitions)

    def positions(self, tps: Iterable[TP]) -> dict[TP, int]:
        """Offset that each of these partitions is polled from next, of those that have one now."""
        consumer = self._consumer  # None while it stops
        subscription = None if consumer is None else consumer._subscription.subscription
        if subscription is None or subscription.assignment is None:
            return {}
        states = {tp: subscription.assignment.state_value(driver.ensure_aiokafka_TP(tp)) for tp in tps}
        return {tp: state.position for tp, state in states.items() if state is not None and state.has_valid_position}

    async def rewind(self, topics: frozenset[str]) -> dict[TP, int]:
        """Go to the committed offset of each assigned partition of these topics; returns where that is."""
        positions: dict[TP, int] = await self.call_thread(self._rewind, topics)
        return positions

    async def _rewind(self, topics: frozenset[str]) -> dict[TP, int]:
        consumer = self._ensure_consumer()
        assigned = [tp for tp in consumer.assignment() if tp.topic in topics]
        committed = dict(zip(assigned, await asyncio.gather(*map(consumer.committed, assigned)), strict=True))
        if bare := [tp for tp, offset in committed.items() if offset is None]:
            committed |= await consumer.beginning_offsets(bare)
        # aiokafka's own `seek_to_committed` leaves a partition where it is if 0 or nothing is committed.
        for tp, offset in committed.items():
            consumer.seek(tp, offset)
        return {TP(tp.topic, tp.partition): offset for tp, offset in committed.items()}


class ChunkConsumer(driver.Consumer):
    """Delivers chunks, checks that offsets have no holes, and commits what is marked as done.

    Attributes
    ----------
    chunk_topics
        Topics that are delivered in chunks. The others, changelogs, are not delivered at all: they are read by the
        recovery.
    chunk_size
        Most records of a chunk.
    on_gap
        Awaited with (partition, expected offset, found offset) when offsets are missing; returns if the log itself has
        the hole, and does not return otherwise.
    """

    chunk_topics: frozenset[str] = frozenset()
    chunk_size: int = 256
    on_gap: Callable[[TP, int, int], Awaitable[None]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._done: dict[TP, int] = {}
        self._expected: dict[TP, int] = {}
        self._passed: dict[TP, int] = {}
        self._parked = asyncio.Event()
        self._parked.set()

    def _new_consumer_thread(self) -> ChunkConsumerThread:
        return ChunkConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def connected(self) -> bool:
        """Whether there is a connection to any broker."""
        connected: bool = self._thread.connected
        return connected

    @property
    def next_offsets(self) -> dict[TP, int]:
        """Where each source partition is: behind what was delivered, and behind what follows that is no record."""
        return {tp: max(offset, self._passed.get(tp, 0)) for tp, offset in self._expected.items()}

    # Delivery; the rest is the same for `StockConsumer`

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                if self.flow_active:
                    self._parked.clear()
                    await self._poll()
                else:
                    self._parked.set()
                    if (await self.wait(self.can_resume_flow)).stopped:
                        return
        finally:
            self._parked.set()

    async def stop_delivery(self) -> None:
        """Let no chunk through until `resume_flow`; returns when the poll that was under way is over.

        What is polled after that comes from where the next seek goes to, and nothing from before it.
        """
        self.stop_flow()
        await self._parked.wait()

    async def _poll(self) -> None:
        # A copy: the set is emptied in place by a rebalance, and aiokafka takes an empty set for "all partitions".
        active = frozenset(self._get_active_partitions())
        if not active:
            await self.sleep(POLL_S)
            return
        for tp, records in chunks_by_time(await self._thread.getmany(active, POLL_S), self.chunk_size):
            if tp.topic not in self.chunk_topics:
                continue
            if not self.flow_active:
                return  # a rebalance began: these records are fetched again by their new owner
            await self._deliver(tp, records)
        # All that was polled is delivered. A position further on has passed the ends of transactions, which are no
        # records: without it, they would count as a lag for ever.
        self._passed = self._thread.positions(tp for tp in active if tp.topic in self.chunk_topics)

    async def _deliver(self, tp: TP, records: Records) -> None:
        expected = self._expected[tp]
        if records[0].offset < expected:
            records = [record for record in records if record.offset >= expected]
            if not records:
                return
        if records[0].offset > expected:
            await self.wait_first(self.on_gap(tp, expected, records[0].offset), self.suspend_flow.wait())
            if not self.flow_active:
                return
        self._expected[tp] = records[-1].offset + 1
        message = self._to_message(tp, records[-1])  # a chunk stands at its last offset
        message.value = records
        # A rebalance must not wait for room in the agent's queue: the chunk is fetched again afterwards.
        await self.wait_first(self.callback(message), self.suspend_flow.wait())

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: delivery waits for room, where Faust would ask for the other partitions alone, or sleep."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing, as above."""

    async def verify_all_partitions_active(self) -> None:
        """Nothing: Faust counts acknowledged messages, and would log an error for each partition; we have the lag."""

    async def perform_seek(self) -> None:
        """Go to the committed offsets; from there on, no offset may be missing."""
        self._passed = {}
        self._expected = await self._thread.rewind(self.chunk_topics)
        self._committed_offset.update(self._expected)

    # Commits

    def mark_done(self, tp: TP, next_offset: int) -> None:
        """Everything before `next_offset` is done: it may be committed."""
        self._done[tp] = max(next_offset, self._done.get(tp, 0))

    async def commit_done(self) -> None:
        """Commit what is marked by now; a commit that is under way may have begun before."""
        await self.maybe_wait_for_commit_to_finish()
        await self.commit()

    def _filter_tps_with_pending_acks(self, topics: Iterable[Any] | None = None) -> Iterator[TP]:
        wanted = None if topics is None else set(topics)
        return (tp for tp in list(self._done) if wanted is None or tp in wanted or tp.topic in wanted)

    def _new_offset(self, tp: TP) -> int | None:
        return self._done.pop(tp, None)

    def _should_commit(self, tp: TP, offset: int) -> bool:
        return True  # Faust compares with what it tried to commit last, be it committed or not

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        committed: bool = await super()._commit_offsets(offsets, start_new_transaction)
        if not committed:
            for tp in offsets.keys() & self._expected.keys():
                self.mark_done(tp, offsets[tp])
        return committed

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        # Changelogs belong to the assignment, so that tables go where their events are; nothing is read of them here.
        await self._thread.pause(tp for tp in assigned if tp.topic not in self.chunk_topics)
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._done.pop(tp, None)
            self._expected.pop(tp, None)


def chunks_by_time(polled: Mapping[Any, Records], size: int) -> Iterator[tuple[TP, Records]]:
    """Cut what a poll gave into chunks, oldest first, and each partition in its order.

    After a pause a poll holds a long stretch of each partition. One after the other, they would drift apart by as much,
    and what they forward to a common partition would come out of order.
    """

    def cut(tp: TP, records: Records) -> Iterator[tuple[TP, Records]]:
        return ((tp, records[start : start + size]) for start in range(0, len(records), size))

    partitions = (cut(TP(key.topic, key.partition), records) for key, records in polled.items())
    return heapq.merge(*partitions, key=lambda chunk: chunk[1][0].timestamp)


class ChunkTransport(driver.Transport):
    """Faust's aiokafka transport with our consumer."""

    Consumer = ChunkConsumer

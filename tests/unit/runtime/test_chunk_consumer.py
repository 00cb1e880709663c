"""The consumer of chunks: what it delivers, what it does about holes, what it commits. No broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from faust.types import TP

from support.lanes import settled
from ubi_stream.kafka import transport
from ubi_stream.kafka.transport import ChunkConsumer, ChunkTransport

EVENTS, OTHER, CHANGELOG = TP("events", 0), TP("events", 1), TP("changelog", 0)


class Thread:
    """Stands in for the thread with the Kafka client."""

    def __init__(self) -> None:
        self.polls: asyncio.Queue[dict[TP, list[Any]]] = asyncio.Queue()
        self.asked: list[Any] = []
        self.committed: list[dict[TP, int]] = []
        self.commits_fail = False
        self.rewound = {EVENTS: 0}
        self.passed: dict[TP, int] = {}
        self.delayed_labels = asyncio.Event()
        self.delayed_labels.set()

    async def getmany(self, active: Any, timeout: float) -> dict[TP, list[Any]]:  # noqa: ASYNC109 - Faust's
        self.asked.append(active)
        return await self.polls.get()

    async def rewind(self, topics: frozenset[str]) -> dict[TP, int]:
        return dict(self.rewound)

    def positions(self, tps: Iterable[TP]) -> dict[TP, int]:
        return {tp: self.passed[tp] for tp in tps if tp in self.passed}

    async def commit(self, offsets: dict[TP, int]) -> bool:
        self.committed.append(dict(offsets))
        await self.delayed_labels.wait()
        return not self.commits_fail

    def assignment(self) -> set[TP]:
        return {EVENTS, CHANGELOG}


class Setup:
    """A consumer that has the partition `events-0`, and what it delivers and asks."""

    def __init__(self, consumer: Any, thread: Thread) -> None:
        self.consumer = consumer
        self.thread = thread
        self.delivered: list[tuple[TP, list[int]]] = []
        self.gaps: list[tuple[TP, int, int]] = []
        self.room = asyncio.Event()
        self.room.set()
        consumer.callback = self._take
        consumer.on_gap = self._gap

    async def _take(self, message: Any) -> None:
        await self.room.wait()
        self.delivered.append((message.tp, [record.offset for record in message.value]))

    async def _gap(self, tp: TP, expected: int, found: int) -> None:
        self.gaps.append((tp, expected, found))

    async def poll(self, *offsets: int, tp: TP = EVENTS) -> None:
        """Have a poll give these records, and wait until they are dealt with."""
        self.thread.polls.put_nowait({tp: [record(offset) for offset in offsets]})
        await settled()


def record(offset: int, timestamp: int = 1) -> Any:
    fields = dict.fromkeys(("key", "value", "checksum", "serialized_key_size", "serialized_value_size"))
    return SimpleNamespace(
        topic="events", partition=0, offset=offset, timestamp=timestamp, timestamp_type=1, headers=(), **fields
    )


@pytest.fixture
async def setup(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Setup]:
    monkeypatch.setattr(transport, "POLL_S", 0.01)
    app = faust.App("t", broker="kafka://127.0.0.1:1", store="memory://", broker_commit_interval=0.5)
    app.transport = ChunkTransport(app.conf.broker_consumer, app=app)
    consumer: ChunkConsumer = app.consumer
    consumer._thread.thread_loop.close()
    thread = consumer._thread = Thread()
    consumer.chunk_topics = frozenset({"events"})
    made = Setup(consumer, thread)
    await consumer.perform_seek()
    consumer.resume_partitions({EVENTS})
    fetcher = SimpleNamespace(_stopped=asyncio.Event())
    draining = asyncio.create_task(consumer._drain_messages(fetcher))
    yield made
    assert not draining.done() or draining.exception() is None, "delivery failed"
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)


async def test_a_poll_of_a_partition_is_one_chunk(setup: Setup) -> None:
    await setup.poll(0, 1, 2)
    await setup.poll(3)
    assert setup.delivered == [(EVENTS, [0, 1, 2]), (EVENTS, [3])]
    assert setup.consumer.next_offsets == {EVENTS: 4}
    assert setup.gaps == []


async def test_a_long_poll_is_cut_and_partitions_take_turns_by_the_time_of_their_records(setup: Setup) -> None:
    setup.consumer.chunk_size = 2
    setup.thread.rewound = {EVENTS: 0, OTHER: 7}
    await setup.consumer.perform_seek()
    polled = {
        EVENTS: [record(offset, timestamp=offset * 10) for offset in range(5)],  # at 0, 10, 20, 30, 40
        OTHER: [record(offset, timestamp=(offset - 6) * 15) for offset in range(7, 11)],  # at 15, 30, 45, 60
    }
    setup.thread.polls.put_nowait(polled)
    await settled(60)
    assert setup.delivered == [
        (EVENTS, [0, 1]),
        (OTHER, [7, 8]),
        (EVENTS, [2, 3]),
        (EVENTS, [4]),
        (OTHER, [9, 10]),
    ]


def test_records_of_one_partition_never_overtake_one_another() -> None:
    """Producers may set the time, and it may go back."""
    times = [50, 10, 30, 20]
    polled = {EVENTS: [record(offset, timestamp=at) for offset, at in enumerate(times)], OTHER: [record(9, 25)]}
    chunks = list(transport.chunks_by_time(polled, 1))
    assert [records[0].offset for tp, records in chunks if tp == EVENTS] == [0, 1, 2, 3]
    assert len(chunks) == 5


async def test_the_end_of_a_transaction_is_passed_though_it_is_no_record(setup: Setup) -> None:
    setup.thread.passed = {EVENTS: 3}  # behind the marker at offset 2
    await setup.poll(0, 1)
    assert setup.consumer.next_offsets == {EVENTS: 3}
    assert setup.gaps == []


async def test_changelogs_are_not_delivered(setup: Setup) -> None:
    await setup.poll(0, 1, tp=CHANGELOG)
    assert setup.delivered == []


@pytest.mark.parametrize("first", [0, 40])
async def test_a_hole_is_asked_about_before_what_follows_it(setup: Setup, first: int) -> None:
    setup.thread.rewound = {EVENTS: first}
    await setup.consumer.perform_seek()
    await setup.poll(first + 2, first + 3)
    assert setup.gaps == [(EVENTS, first, first + 2)]
    assert setup.delivered == [(EVENTS, [first + 2, first + 3])]


async def test_what_was_delivered_is_not_delivered_again(setup: Setup) -> None:
    await setup.poll(0, 1, 2)
    await setup.poll(1, 2)
    await setup.poll(2, 3, 4)
    assert setup.delivered == [(EVENTS, [0, 1, 2]), (EVENTS, [3, 4])]
    assert setup.gaps == []


async def test_without_active_partitions_nothing_is_fetched(setup: Setup) -> None:
    """aiokafka takes an empty set for all partitions."""
    setup.consumer.pause_partitions({EVENTS})
    await setup.poll()  # the one that was under way
    await asyncio.sleep(0.05)  # five polls' time: nothing to wait for, as nothing must happen
    assert setup.thread.asked == [{EVENTS}]


async def test_the_fetch_has_its_own_set_of_partitions(setup: Setup) -> None:
    """A rebalance empties the consumer's set in place, while another thread reads what it was given."""
    await settled()
    (active,) = setup.thread.asked
    setup.consumer.pause_partitions({EVENTS})
    assert active == {EVENTS}


async def test_a_rebalance_drops_what_was_polled_before_its_seek(setup: Setup) -> None:
    await setup.poll(0, 1)
    stopping = asyncio.create_task(setup.consumer.stop_delivery())
    await settled()
    assert not stopping.done(), "a poll is still under way: it may bring records from before the seek"
    await setup.poll(2, 3)
    await stopping
    assert setup.delivered == [(EVENTS, [0, 1])]

    setup.thread.rewound = {EVENTS: 1}
    await setup.consumer.perform_seek()
    setup.consumer.resume_flow()
    await setup.poll(1, 2)
    assert setup.delivered[1:] == [(EVENTS, [1, 2])]
    assert setup.gaps == []


async def test_a_rebalance_does_not_wait_for_room_in_the_agents_queue(setup: Setup) -> None:
    setup.room.clear()
    await setup.poll(0, 1)
    async with asyncio.timeout(1.0):
        await setup.consumer.stop_delivery()
    assert setup.delivered == []


async def test_a_first_record_alone_is_committed(setup: Setup) -> None:
    setup.consumer.mark_done(EVENTS, 1)
    await setup.consumer.commit()
    assert setup.thread.committed == [{EVENTS: 1}]


async def test_what_is_not_marked_is_not_committed(setup: Setup) -> None:
    await setup.poll(0, 1, 2)
    await setup.consumer.commit()
    setup.consumer.mark_done(EVENTS, 3)
    setup.consumer.mark_done(EVENTS, 2)  # a barrier that was slower than the next one
    await setup.consumer.commit()
    await setup.consumer.commit()
    assert setup.thread.committed == [{EVENTS: 3}]


async def test_a_commit_that_failed_is_tried_again(setup: Setup) -> None:
    setup.thread.commits_fail = True
    setup.consumer.mark_done(EVENTS, 5)
    await setup.consumer.commit()
    setup.thread.commits_fail = False
    await setup.consumer.commit()
    assert setup.thread.committed == [{EVENTS: 5}, {EVENTS: 5}]


async def test_what_is_marked_during_a_commit_is_committed_by_the_next(setup: Setup) -> None:
    setup.thread.delayed_labels.clear()
    setup.consumer.mark_done(EVENTS, 5)
    under_way = asyncio.create_task(setup.consumer.commit())
    await settled()
    setup.consumer.mark_done(EVENTS, 9)
    following = asyncio.create_task(setup.consumer.commit_done())
    await settled()
    setup.thread.delayed_labels.set()
    await asyncio.gather(under_way, following)
    assert setup.thread.committed == [{EVENTS: 5}, {EVENTS: 9}]


async def test_partitions_that_were_taken_away_are_forgotten(setup: Setup) -> None:
    setup.consumer.mark_done(EVENTS, 5)

    async def revoked(_partitions: set[TP]) -> None: ...

    setup.consumer._on_partitions_revoked = revoked
    await setup.consumer.on_partitions_revoked({EVENTS})
    await setup.consumer.commit()
    assert setup.thread.committed == []
    assert setup.consumer.next_offsets == {}

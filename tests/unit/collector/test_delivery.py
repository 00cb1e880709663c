"""Records on their way to Kafka: gathered, in order, bounded, each sender answered for its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError

from support.waiting import eventually
from ubi_stream.collector import delivery
from ubi_stream.collector.delivery import KafkaDelivery, Outgoing, OverloadedError
from ubi_stream.errors import DeliveryError
from ubi_stream.kafka.partitioner import partition_of

PARTITIONS = 4


class FakeBatch:
    def __init__(self) -> None:
        self.values: list[bytes] = []

    def append(self, *, key: bytes | None, value: bytes, headers: list[object], timestamp: None) -> object | None:
        if self.size() + len(value) > delivery.REQUEST_BYTES:
            return None
        self.values.append(value)
        return object()

    def size(self) -> int:
        return sum(map(len, self.values))


class FakeProducer:
    """Takes batches once it is told to; remembers them by partition."""

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.batches: list[tuple[int, list[bytes]]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: KafkaError | None = None

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def partitions_for(self, _topic: str) -> set[int]:
        return set(range(PARTITIONS))

    def create_batch(self) -> FakeBatch:
        return FakeBatch()

    async def send_batch(self, batch: FakeBatch, _topic: str, *, partition: int) -> asyncio.Future[None]:
        await self.open.wait()
        self.batches.append((partition, batch.values))
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.error is not None:
            done.set_exception(self.error)
        else:
            done.set_result(None)
        return done


Make = Callable[..., Any]


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> FakeProducer:
    fake = FakeProducer()
    monkeypatch.setattr(delivery, "AIOKafkaProducer", lambda **_options: fake)
    return fake


@asynccontextmanager
async def started(**options: Any) -> AsyncIterator[KafkaDelivery]:
    made = KafkaDelivery(
        {}, **{"batch_size": 10, "flush_interval_s": 60.0, "max_waiting": 100, "timeout_s": 5.0} | options
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


def record(number: int, *, key: str = "u-1", urgent: bool = False) -> Outgoing:
    return Outgoing("events", key.encode(), str(number).encode(), urgent)


async def test_a_full_batch_is_sent_without_waiting_and_in_order(producer: FakeProducer) -> None:
    async with started() as sender:
        await asyncio.gather(*(sender.send([record(number)]) for number in range(10)))
    assert producer.batches == [(partition_of(b"u-1", PARTITIONS), [str(n).encode() for n in range(10)])]


async def test_an_urgent_event_waits_for_no_others_and_takes_along_what_waits_before_it(producer: FakeProducer) -> None:
    async with started() as sender:
        first = asyncio.create_task(sender.send([record(0)]))
        await eventually(lambda: sender.waiting == 1)
        await sender.send([record(1, urgent=True)])
        await first
    assert [values for _, values in producer.batches] == [[b"0", b"1"]]


async def test_a_lone_event_is_sent_when_its_time_is_over(producer: FakeProducer) -> None:
    async with started(flush_interval_s=0.001) as sender:
        await sender.send([record(0)])
        await sender.send([record(1)])
    assert [values for _, values in producer.batches] == [[b"0"], [b"1"]]


async def test_what_comes_while_a_request_is_under_way_goes_together(producer: FakeProducer) -> None:
    producer.open.clear()
    async with started(batch_size=1) as sender:
        sends = [asyncio.create_task(sender.send([record(number)])) for number in range(3)]
        await eventually(lambda: sender.waiting == 3)
        later = asyncio.create_task(sender.send([record(3), record(4)]))
        await eventually(lambda: sender.waiting == 5)
        producer.open.set()
        await asyncio.gather(later, *sends)
        assert sender.waiting == 0
    assert [value for _, values in producer.batches for value in values] == [b"0", b"1", b"2", b"3", b"4"]
    assert len(producer.batches) == 2


async def test_records_of_one_request_go_to_the_partitions_of_their_keys(producer: FakeProducer) -> None:
    keys = [f"u-{number}" for number in range(20)]
    async with started(batch_size=1) as sender:
        await sender.send([record(number, key=key) for number, key in enumerate(keys)])
    for partition, values in producer.batches:
        assert {partition_of(keys[int(value)].encode(), PARTITIONS) for value in values} == {partition}
    assert sum(len(values) for _, values in producer.batches) == 20


async def test_more_than_may_wait_is_refused_and_nothing_of_it_is_taken(producer: FakeProducer) -> None:
    producer.open.clear()
    async with started(max_waiting=3, batch_size=1) as sender:
        waiting = asyncio.create_task(sender.send([record(0), record(1)]))
        await eventually(lambda: sender.waiting == 2)
        with pytest.raises(OverloadedError):
            await sender.send([record(2), record(3)])
        producer.open.set()
        await waiting
    assert [value for _, values in producer.batches for value in values] == [b"0", b"1"]


async def test_a_broker_that_is_silent_is_an_error_and_what_was_queued_still_arrives(producer: FakeProducer) -> None:
    producer.open.clear()
    async with started(timeout_s=0.02, batch_size=1) as sender:
        with pytest.raises(DeliveryError, match="within"):
            await sender.send([record(0)])
        producer.open.set()
        await eventually(lambda: producer.batches)


async def test_a_broker_that_refuses_is_an_error_for_those_whose_events_it_refused(producer: FakeProducer) -> None:
    async with started(batch_size=1) as sender:
        producer.error = KafkaConnectionError()
        with pytest.raises(DeliveryError, match="KafkaConnectionError"):
            await sender.send([record(0)])
        producer.error = None
        await sender.send([record(1)])
        assert sender.waiting == 0


async def test_an_event_that_fits_no_request_is_an_error_and_stops_no_other(producer: FakeProducer) -> None:
    large = Outgoing("events", b"u-1", b"x" * (delivery.REQUEST_BYTES + 1))
    async with started(batch_size=1) as sender:
        with pytest.raises(DeliveryError, match="too large"):
            await sender.send([large])
        await sender.send([record(1)])


async def test_many_large_events_go_in_several_requests(producer: FakeProducer) -> None:
    large = [Outgoing("events", b"u-1", b"x" * (delivery.BATCH_BYTES // 2)) for _ in range(5)]
    async with started(batch_size=1) as sender:
        await sender.send(large)
    assert [len(values) for _, values in producer.batches] == [3, 2]


async def test_what_waits_is_sent_at_the_end(producer: FakeProducer) -> None:
    async with started() as sender:
        waiting = asyncio.create_task(sender.send([record(0)]))
        await eventually(lambda: sender.waiting == 1)
    await waiting
    assert [values for _, values in producer.batches] == [[b"0"]]


async def test_nothing_to_send_asks_nobody(producer: FakeProducer) -> None:
    async with started() as sender:
        await sender.send([])
    assert producer.batches == []

"""Puts accepted events on Kafka: gathered by partition, in order, each acknowledged before its sender is answered."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ubi_stream.errors import DeliveryError, UbiError
from ubi_stream.events.model import Headers
from ubi_stream.kafka.partitioner import partition_of

BATCH_BYTES: Final = 512 * 1024
"""Records of one request to one partition."""
REQUEST_BYTES: Final = 2 * 1024 * 1024
"""Largest record: a dead letter with a call of 512 KiB, in base64."""
STOP_WITHIN_S: Final = 5.0


class OverloadedError(UbiError):
    """So much waits for Kafka that no more is taken now."""

    retriable = True
    exit_code = 69


class Outgoing(NamedTuple):
    """A record on its way. `key` None goes to any partition; an `urgent` one waits for no others."""

    topic: str
    key: bytes | None
    value: bytes
    urgent: bool = False
    headers: Headers = ()


class Delivery(Protocol):
    """Hands records over to Kafka."""

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Return when the broker has all of these.

        Raises
        ------
        OverloadedError
            Too much waits already: nothing of this was taken.
        DeliveryError
            The broker did not say in time that it has all. It may have them: sent again with the same ids they count
            once.
        """
        ...


class _Undelivered(NamedTuple):
    record: Outgoing
    done: asyncio.Future[None]


class KafkaDelivery:
    """A delivery on an idempotent producer of its own.

    While a request to a partition is under way, what comes for it is gathered for the next one. So nothing waits for a
    timer under load, and a lone event waits `flush_interval_s` at most.

    Parameters
    ----------
    client_options
        Of every Kafka client.
    batch_size
        So many events of a partition are sent at once.
    flush_interval_s
        Fewer wait for others so long.
    max_waiting
        Records that may wait for the broker; more are refused.
    timeout_s
        How long a sender waits for the broker.
    """

    def __init__(
        self,
        client_options: Mapping[str, Any],
        *,
        batch_size: int,
        flush_interval_s: float,
        max_waiting: int,
        timeout_s: float,
    ) -> None:
        self._options = dict(client_options)
        self._batch_size = batch_size
        self._flush_interval_s = flush_interval_s
        self._max_waiting = max_waiting
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None
        self._queues: dict[tuple[str, int], _PartitionQueue] = {}
        self._counts: dict[str, int] = {}
        self.waiting = 0

    async def start(self) -> None:
        """Connect.

        Raises
        ------
        KafkaError
            No broker answers.
        """
        self._producer = AIOKafkaProducer(
            **self._options,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=REQUEST_BYTES,
            max_request_size=REQUEST_BYTES,
        )
        try:
            await self._producer.start()
        except KafkaError:
            await self._producer.stop()
            raise

    async def stop(self) -> None:
        """Send what waits, for up to 5 s, and disconnect."""
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await asyncio.gather(*(queue.drain() for queue in self._queues.values()))
        except TimeoutError:
            pass  # their senders were not told that it arrived
        for queue in self._queues.values():
            await queue.stop()
        self._queues.clear()
        if self._producer is not None:
            try:
                async with asyncio.timeout(1.0):
                    await self._producer.stop()
            except TimeoutError:
                await self._producer.client.close()

    async def send(self, records: Sequence[Outgoing]) -> None:
        if not records:
            return
        if self.waiting + len(records) > self._max_waiting and self.waiting:
            raise OverloadedError(f"{self.waiting} events wait for Kafka")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._know_partitions({record.topic for record in records})
                await asyncio.shield(asyncio.gather(*self._enqueue(records)))
        except TimeoutError as error:
            raise DeliveryError(f"Kafka did not take {len(records)} events within {self._timeout_s:g} s") from error
        except KafkaError as error:
            raise DeliveryError(f"Kafka did not take an event: {type(error).__name__}") from error

    async def _know_partitions(self, topics: Iterable[str]) -> None:
        for topic in topics:
            if topic not in self._counts:
                self._counts[topic] = len(await self._started.partitions_for(topic))

    def _enqueue(self, records: Sequence[Outgoing]) -> list[asyncio.Future[None]]:
        """Put records into the queues of their partitions; one future for each partition."""
        parts: dict[tuple[str, int], list[Outgoing]] = {}
        for record in records:
            number = 0 if record.key is None else partition_of(record.key, self._counts[record.topic])
            parts.setdefault((record.topic, number), []).append(record)
        return [self._queue(*place).put(part) for place, part in parts.items()]

    def _queue(self, topic: str, partition: int) -> _PartitionQueue:
        queue = self._queues.get((topic, partition))
        if queue is None:
            queue = _PartitionQueue(self, topic, partition)
            self._queues[topic, partition] = queue
        return queue

    @property
    def _started(self) -> AIOKafkaProducer:
        assert self._producer is not None, "start() comes first"
        return self._producer


class _PartitionQueue:
    """What waits for one partition, and the task that sends it."""

    def __init__(self, delivery: KafkaDelivery, topic: str, partition: int) -> None:
        self._delivery = delivery
        self._topic, self._partition = topic, partition
        self._waiting: deque[_Undelivered] = deque()
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"collect {topic}/{partition}")

    def put(self, records: Sequence[Outgoing]) -> asyncio.Future[None]:
        """Queue records, in order; done when the broker has the last of them."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_seen)
        self._waiting.extend(_Undelivered(record, done) for record in records)
        self._delivery.waiting += len(records)
        self._arrived.set()
        if len(self._waiting) >= self._delivery._batch_size or any(record.urgent for record in records):
            self._full.set()
        return done

    async def drain(self) -> None:
        """Wait until nothing waits."""
        while self._waiting:
            self._full.set()
            await asyncio.wait([self._waiting[-1].done])

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            try:
                async with asyncio.timeout(self._delivery._flush_interval_s):
                    await self._full.wait()
            except TimeoutError:
                pass  # fewer than a batch, and long enough
            while self._waiting:
                await self._send_some()
            self._arrived.clear()
            self._full.clear()

    async def _send_some(self) -> None:
        """Send as much of what waits as one request holds; returns when the broker has it, or refused it."""
        producer = self._delivery._started
        batch, taken = producer.create_batch(), 0
        for waiting in self._waiting:
            record = waiting.record
            fits = batch.append(key=record.key, value=record.value, headers=list(record.headers), timestamp=None)
            if fits is None or (taken and batch.size() > BATCH_BYTES):
                taken += fits is not None
                break
            taken += 1
        error: Exception | None = None
        try:
            if not taken:
                taken, error = 1, DeliveryError(f"an event of {len(self._waiting[0].record.value)} bytes is too large")
            else:
                await (await producer.send_batch(batch, self._topic, partition=self._partition))
        except KafkaError as failure:
            error = failure
        self._settle(taken, error)

    def _settle(self, count: int, error: Exception | None) -> None:
        """Tell senders. Records of one `put` share a future: it is done with the last of them, or the first failure."""
        self._delivery.waiting -= count
        for _ in range(count):
            waiting = self._waiting.popleft()
            if waiting.done.done():
                continue
            if error is not None:
                waiting.done.set_exception(error)
            elif not self._waiting or self._waiting[0].done is not waiting.done:
                waiting.done.set_result(None)


def _seen(future: asyncio.Future[None]) -> None:
    """Whoever waited may be gone: an error nobody reads is no bug."""
    if not future.cancelled():
        future.exception()

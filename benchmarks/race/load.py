"""An offered load: so many events a second, whether or not anybody keeps up; and when each of them was sent."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from ubi_stream.data.records import ProducerRecord
from ubi_stream.kafka.client import client_options
from ubi_stream.kafka.partitioner import partition_of
from ubi_stream.settings import Settings

TICK_S: Final = 0.005
"""Events go out this often; each counts from the moment at which its turn came, also where we are late."""


class SentTimes:
    """When the event at each offset was sent."""

    def __init__(self) -> None:
        self._starts: dict[int, list[int]] = defaultdict(list)
        self._times_s: dict[int, list[float]] = defaultdict(list)

    def note(self, partition: int, first_offset: int, at_s: float) -> None:
        """From this offset on, up to that of the next note; in order."""
        self._starts[partition].append(first_offset)
        self._times_s[partition].append(at_s)

    def of(self, partition: int, offset: int) -> float | None:
        """Seconds on the clock; None for an event of before."""
        index = bisect_right(self._starts[partition], offset) - 1
        return self._times_s[partition][index] if index >= 0 else None


async def keep_open(settings: Settings, records: Iterable[ProducerRecord], per_s: float, sent: SentTimes) -> int:
    """Send records at a steady pace; returns how many, once the broker has all of them."""
    producer = AIOKafkaProducer(**client_options(settings), acks="all", linger_ms=0)
    await producer.start()
    homes: dict[bytes, int] = {}
    count = 0
    try:
        started_s, source = monotonic(), iter(records)
        waiting: list[asyncio.Task[None]] = []
        while True:
            due_s = started_s + count / per_s
            await asyncio.sleep(max(0.0, due_s - monotonic()))
            some = list(_take(source, max(1, round(per_s * TICK_S))))
            if not some:
                break
            count += len(some)
            for number, batch in _batches(producer, some, homes, settings.partitions).items():
                future = await producer.send_batch(batch, settings.events_topic, partition=number)
                waiting.append(asyncio.create_task(_note(future, sent, number, due_s)))
        await asyncio.gather(*waiting)
    finally:
        await producer.stop()
    return count


def _take(source: Iterator[ProducerRecord], number: int) -> Iterator[ProducerRecord]:
    for _, record in zip(range(number), source, strict=False):
        yield record


def _batches(
    producer: AIOKafkaProducer, records: Iterable[ProducerRecord], homes: dict[bytes, int], partitions: int
) -> dict[int, Any]:
    batches: dict[int, Any] = {}
    for record in records:
        key = record.key or b""
        number = homes.get(key)
        if number is None:
            number = homes[key] = partition_of(key, partitions)
        batch = batches.get(number) or batches.setdefault(number, producer.create_batch())
        if batch.append(key=record.key, value=record.value, timestamp=None) is None:
            raise ValueError("a tick's events don't fit into one batch: the rate is too high for this tool")
    return batches


async def _note(future: asyncio.Future[Any], sent: SentTimes, partition: int, at_s: float) -> None:
    metadata = await future
    sent.note(partition, metadata.offset, at_s)

"""The streams that everybody reads, generated once and written to the topic before the race."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaProducer

from benchmarks.faults.inputs import payments
from ubi_stream.data.records import ProducerRecord
from ubi_stream.kafka.client import client_options
from ubi_stream.kafka.partitioner import partition_of
from ubi_stream.settings import Settings
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.population import TrafficOptions

START_MS: Final = 1_760_000_000_000
SPAN_S: Final = 2 * 86_400
"""Event time of a stream of shoppers: visits end, windows slide, days go by."""
_BATCH_BYTES: Final = 512 * 1024
_RECORDS_AT_A_TIME: Final = 20_000


def shoppers(events: int, users: int, seed: int = 7, span_s: int = SPAN_S) -> Iterable[ProducerRecord]:
    """Visits of a shop, unequally spread over users as on the web (Zipf, exponent 1), within so much event time."""
    options = TrafficOptions(users=users, rate=events / span_s, start_ms=START_MS, seed=seed, zipf=1.0)
    return Traffic(options).records(events)


def card_payments(events: int, users: int, seed: int = 7) -> Iterable[ProducerRecord]:
    """Payments and, later, their labels; `users` is given by the number of events."""
    del users
    return payments(events, seed)


async def load(settings: Settings, records: Iterable[ProducerRecord]) -> int:
    """Write records to the events topic, as its producers' partitioner spreads them; returns how many."""
    producer = AIOKafkaProducer(**client_options(settings), acks="all", max_batch_size=_BATCH_BYTES)
    await producer.start()
    count = 0
    try:
        homes: dict[bytes, int] = {}
        waiting: list[list[ProducerRecord]] = [[] for _ in range(settings.partitions)]
        for record in records:
            key = record.key or b""
            owner_partition = homes.get(key)
            if owner_partition is None:
                owner_partition = homes[key] = partition_of(key, settings.partitions)
            waiting[owner_partition].append(record)
            count += 1
            if count % _RECORDS_AT_A_TIME == 0:
                await _flush(producer, settings.events_topic, waiting)
        await _flush(producer, settings.events_topic, waiting)
        await producer.flush()
    finally:
        await producer.stop()
    return count


async def _flush(producer: AIOKafkaProducer, topic: str, waiting: list[list[ProducerRecord]]) -> None:
    """Send what waits; partitions take turns, as they do when producers send one by one."""
    for partition, records in enumerate(waiting):
        batch = producer.create_batch()
        for record in records:
            if batch.append(key=record.key, value=record.value, timestamp=None) is None:
                await producer.send_batch(batch, topic, partition=partition)
                batch = producer.create_batch()
                batch.append(key=record.key, value=record.value, timestamp=None)
        if batch.record_count():
            await producer.send_batch(batch, topic, partition=partition)
        records.clear()

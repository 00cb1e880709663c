"""A loop around aiokafka: no state on disk, no barrier, nothing promised. What Kafka's client and the core cost alone.

`python -m benchmarks.race.contestants.bare_loop [EVENTS]`: so many events at most go through the core at a time.
"""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.race.core import Core, contestant_progress
from ubi_stream.events.model import Record
from ubi_stream.settings import Settings


async def run(settings: Settings, chunk: int) -> None:
    """Consume until told to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    progress = contestant_progress()
    cores: dict[int, Core] = {}
    producer = AIOKafkaProducer(bootstrap_servers=settings.broker, acks="all", linger_ms=5)
    consumer = AIOKafkaConsumer(
        settings.events_topic,
        bootstrap_servers=settings.broker,
        group_id=settings.app_id,
        auto_offset_reset="earliest",
    )
    async with producer, consumer:
        while not stop.is_set():
            for tp, found in (await consumer.getmany(timeout_ms=200, max_records=1000)).items():
                core = cores.get(tp.partition) or cores.setdefault(tp.partition, Core(settings, tp.partition, {}))
                records = [Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value) for r in found]
                for start in range(0, len(records), chunk):
                    some = records[start : start + chunk]
                    for key, value in core.process(some):
                        await producer.send(settings.insights_topic, value, key)
                    progress.add(len(some))
            await asyncio.sleep(0)


if __name__ == "__main__":
    uvloop.run(run(Settings(), int(sys.argv[1]) if len(sys.argv) > 1 else 1))

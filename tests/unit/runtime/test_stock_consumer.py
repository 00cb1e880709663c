"""Faust's own loop with our commits: what `UBI_TRANSPORT=stock` delivers. No broker."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import faust
from faust.types import TP

from support.lanes import settled
from ubi_stream.kafka.stock import StockConsumer, StockTransport

EVENTS = TP("events", 0)


class Thread:
    """Stands in for the thread with the Kafka client."""

    def __init__(self) -> None:
        self.polls: asyncio.Queue[dict[TP, list[Any]]] = asyncio.Queue()

    async def getmany(self, active: Any, timeout: float) -> dict[TP, list[Any]]:  # noqa: ASYNC109 - Faust's
        return await self.polls.get()

    async def rewind(self, topics: frozenset[str]) -> dict[TP, int]:
        return {EVENTS: 5}

    def highwater(self, tp: TP) -> int:
        return 9

    def assignment(self) -> set[TP]:
        return {EVENTS}


def record(offset: int) -> Any:
    fields = dict.fromkeys(("key", "value", "checksum", "serialized_key_size", "serialized_value_size"))
    return SimpleNamespace(
        topic="events", partition=0, offset=offset, timestamp=1, timestamp_type=1, headers=(), **fields
    )


async def test_every_record_is_a_chunk_of_its_own_and_none_of_before_the_seek_comes() -> None:
    app = faust.App("t", broker="kafka://127.0.0.1:1", store="memory://")
    app.transport = StockTransport(app.conf.broker_consumer, app=app)
    consumer: StockConsumer = app.consumer
    consumer._thread.thread_loop.close()
    thread = consumer._thread = Thread()
    consumer.chunk_topics = frozenset({"events"})
    delivered: list[list[int]] = []

    async def take(message: Any) -> None:
        delivered.append([item.offset for item in message.value])

    consumer.callback = take
    await consumer.perform_seek()
    consumer.resume_partitions({EVENTS})
    draining = asyncio.create_task(consumer._drain_messages(SimpleNamespace(_stopped=asyncio.Event())))
    thread.polls.put_nowait({EVENTS: [record(offset) for offset in (4, 5, 6, 7)]})
    await settled(60)
    assert delivered == [[5], [6], [7]]
    assert consumer.next_offsets == {EVENTS: 8}
    await consumer.stop_delivery()
    thread.polls.put_nowait({EVENTS: [record(8)]})
    await settled(60)
    assert delivered == [[5], [6], [7]]
    draining.cancel()
    await asyncio.gather(draining, return_exceptions=True)

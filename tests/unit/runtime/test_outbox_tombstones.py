"""What the outbox writes to a changelog is what a restore reads from it, tombstones included. No broker."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.memory_records import MemoryRecords

from ubi_stream.kafka.changelog_store import value_of
from ubi_stream.kafka.outbox import Change, KafkaOutbox
from ubi_stream.state.codec import Tombstone


async def test_tombstones_carry_what_they_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    batches: list[Any] = []

    async def send_batch(batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        batch.close()
        batches.append((topic, partition, bytes(batch._build())))
        sent: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        sent.set_result(SimpleNamespace(offset=7))
        return sent

    outbox = KafkaOutbox({}, timeout_s=1)
    outbox._producer = producer = AIOKafkaProducer()
    monkeypatch.setattr(producer, "send_batch", send_batch)
    changes: list[Change] = [(b"a", b"state"), (b"b", Tombstone(b"header")), (b"c", Tombstone())]
    try:
        assert await outbox.write("changelog", 3, changes) == range(7, 10)
    finally:
        await producer.stop()
    ((topic, partition, data),) = batches
    assert (topic, partition) == ("changelog", 3)
    assert [(record.key, value_of(record)) for record in MemoryRecords(data).next_batch()] == changes

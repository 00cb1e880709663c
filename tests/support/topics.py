"""What is on a worker's topics, and how far its group has come."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from support.waiting import eventually
from ubi_stream.clock import SystemClock
from ubi_stream.kafka.client import connect_admin
from ubi_stream.packs.loader import load_pack
from ubi_stream.runtime.topics import ensure_topics, source_topics
from ubi_stream.settings import Settings
from ubi_stream.state.codec import decode_state
from ubi_stream.state.model import UserState
from ubi_stream.tables import states as state_tables


async def read_topic(settings: Settings, topic: str) -> list[Any]:
    """All records of a topic, partition by partition, in order."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[Any] = []
        for partition in partitions:
            await consumer.seek_to_beginning(partition)
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for found in (await consumer.getmany(timeout_ms=1000)).values():
                records += found
        return sorted(records, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()


async def read_states(settings: Settings, entity: str = "user") -> dict[str, UserState]:
    """What a restore would find: the last state of each entity on its changelog."""
    latest: dict[tuple[int, bytes], bytes | None] = {}
    for record in await read_topic(settings, settings.changelog_topic(state_tables.name(entity))):
        latest[record.partition, record.key] = record.value
    there = [(key.decode(), blob) for (_, key), blob in latest.items() if blob is not None]
    states = {key: comparable(decode_state(blob)[1]) for key, blob in there}
    assert len(states) == len(there), "an entity is in two partitions"
    return states


def comparable(state: UserState) -> UserState:
    """A state without what a forward that came twice leaves in it: a later offset."""
    state.forwarded = dict.fromkeys(sorted(state.forwarded), 0)
    return state


class Offsets:
    """Looks at how far the worker's group has come."""

    def __init__(self, settings: Settings) -> None:
        pack = load_pack(settings.pack)
        topics = source_topics(settings, pack)
        self._partitions = [TopicPartition(topic, number) for topic in topics for number in range(settings.partitions)]
        self._events_topic = settings.events_topic
        # Never subscribes, so it is no member of the group that it asks about.
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.broker, group_id=settings.app_id, enable_auto_commit=False
        )

    async def __aenter__(self) -> Offsets:
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def committed(self) -> dict[tuple[str, int], int | None]:
        """Committed offset by topic and partition, of all topics that a worker consumes."""
        found = await asyncio.gather(*map(self._consumer.committed, self._partitions))
        return {(tp.topic, tp.partition): offset for tp, offset in zip(self._partitions, found, strict=True)}

    async def ends(self) -> dict[tuple[str, int], int]:
        """Offset after the last record by topic and partition."""
        found = await self._consumer.end_offsets(self._partitions)
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def behind(self) -> int:
        """Records that are not committed."""
        ends, committed = await self.ends(), await self.committed()
        return sum(end - (committed[tp] or 0) for tp, end in ends.items())

    async def events_committed(self) -> int:
        """Committed offsets of the events topic, added up."""
        return sum(
            offset or 0 for (topic, _), offset in (await self.committed()).items() if topic == self._events_topic
        )

    async def past(self, events: int, within_s: float = 40.0) -> None:
        """Wait until this many records of the events topic are committed."""

        async def done() -> bool:
            return await self.events_committed() >= events

        await eventually(done, within_s, f"{events} events are committed")

    async def all_committed(self, events: int, within_s: float = 60.0) -> None:
        """Wait until so many records of the events topic, and all that follows from them, are committed."""

        async def done() -> bool:
            return await self.events_committed() >= events and await self.behind() == 0

        await eventually(done, within_s, f"{events} events are committed")


async def make_topics(settings: Settings) -> None:
    """Make the topics of a worker that is not started yet."""
    admin = await connect_admin(settings, SystemClock())
    try:
        await ensure_topics(admin, settings, load_pack(settings.pack))
    finally:
        await admin.close()

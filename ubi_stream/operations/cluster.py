"""A deployment from outside: its topics, its group, and the lanes that its workers share out among themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from ubi_stream.clock import Clock
from ubi_stream.errors import BrokerUnavailableError, TopicLayoutError
from ubi_stream.kafka.client import client_options, connect_admin
from ubi_stream.packs.schema import Pack
from ubi_stream.runtime.backlog import Offsets, uncommitted, with_records
from ubi_stream.settings import Settings
from ubi_stream.tables import partitions as record_tables
from ubi_stream.tables import states as state_tables

_CREATED_WITHIN_S: Final = 30.0
_POLL_S: Final = 0.1
_IDLE_STATES: Final = frozenset({"Empty", "Dead"})


@dataclass(frozen=True, slots=True)
class PartitionTopics:
    """What one lane reads and writes: one kind of entity in one partition.

    Attributes
    ----------
    sources
        Its partition of the topics that it consumes; of the user's lane the events topic first.
    states, records
        Its partition of the two changelogs.
    """

    entity: str
    partition: int
    sources: tuple[TopicPartition, ...]
    states: TopicPartition
    records: TopicPartition


def partition_topics(settings: Settings, pack: Pack, partitions: int) -> Iterator[PartitionTopics]:
    """The lanes of a deployment with so many partitions."""
    for number, entity in enumerate(pack.entities):
        own = settings.repartition_topic(entity.name)
        topics = (settings.events_topic, own) if number == 0 else (own,)
        for partition in range(partitions):
            yield PartitionTopics(
                entity.name,
                partition,
                tuple(TopicPartition(topic, partition) for topic in topics),
                TopicPartition(settings.changelog_topic(state_tables.name(entity.name)), partition),
                TopicPartition(settings.changelog_topic(record_tables.name(entity.name)), partition),
            )


def changelogs(settings: Settings, pack: Pack) -> list[str]:
    """Changelog topics, states and records of each kind of entity."""
    tasks = partition_topics(settings, pack, 1)
    return [tp.topic for task in tasks for tp in (task.states, task.records)]


class Cluster:
    """Asks Kafka about a deployment, and sets its group's offsets. `connected` makes one."""

    def __init__(self, settings: Settings, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        self.settings = settings
        self.admin = admin
        self._consumer = consumer

    async def partition_counts(self) -> dict[str, int]:
        """Number of partitions by topic, of all topics."""
        return {topic["topic"]: len(topic["partitions"]) for topic in await self.admin.describe_topics()}

    async def until_partitioned(self, topics: Iterable[str], partitions: int) -> None:
        """Wait until these topics have so many partitions, each with a leader.

        Raises
        ------
        BrokerUnavailableError
            They have not, within 30 s.
        """
        wanted = set(topics)
        try:
            async with asyncio.timeout(_CREATED_WITHIN_S):
                while wanted:
                    for topic in await self.admin.describe_topics():
                        led = [part for part in topic["partitions"] if part["leader"] >= 0]
                        if len(led) >= partitions:
                            wanted.discard(topic["topic"])
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            names = ", ".join(sorted(wanted))
            raise BrokerUnavailableError(f"Kafka has not made the partitions of {names}: begin again") from error

    async def starts(self, partitions: Iterable[TopicPartition]) -> Offsets:
        """First offset that a partition still has."""
        found: Offsets = await self._consumer.beginning_offsets(list(partitions))
        return found

    async def ends(self, partitions: Iterable[TopicPartition]) -> Offsets:
        """Offset after the last record."""
        found: Offsets = await self._consumer.end_offsets(list(partitions))
        return found

    async def committed(self) -> Offsets:
        """What the group has committed."""
        found: dict[TopicPartition, Any] = await self.admin.list_consumer_group_offsets(self.settings.app_id)
        return {tp: entry.offset for tp, entry in found.items() if entry.offset >= 0}

    async def waiting(self, sources: Iterable[TopicPartition], at: Mapping[TopicPartition, int]) -> Offsets:
        """About how many records lie behind these offsets, by partition; none are listed where none do."""
        sources = list(sources)
        stretches = uncommitted(sources, at, await self.starts(sources), await self.ends(sources))
        found = await with_records(self.settings, stretches)
        return {tp: end - first for tp, (first, end) in found.items()}

    async def require_idle_group(self, to: str) -> None:
        """Make sure that no worker runs.

        Raises
        ------
        TopicLayoutError
            The group has members.
        """
        (response,) = await self.admin.describe_consumer_groups([self.settings.app_id])
        ((_, _, state, *_),) = response.groups
        if state not in _IDLE_STATES:
            raise TopicLayoutError(
                f"the group {self.settings.app_id} has members ({state}): stop all workers, wait "
                f"{self.settings.session_timeout_s:.0f} s where one was killed, then {to}"
            )

    async def commit(self, offsets: Offsets) -> None:
        """Set the group's offsets; it must have no members."""
        consumer = AIOKafkaConsumer(
            **client_options(self.settings), group_id=self.settings.app_id, enable_auto_commit=False
        )
        await consumer.start()
        try:
            consumer.assign(list(offsets))
            await consumer.commit({tp: OffsetAndMetadata(offset, "") for tp, offset in offsets.items()})
        finally:
            await consumer.stop()


@asynccontextmanager
async def connected(
    settings: Settings, clock: Clock, on_retry: Callable[[str], None] | None = None
) -> AsyncIterator[Cluster]:
    """Connect for as long as the context lasts.

    Raises
    ------
    BrokerUnavailableError
        Kafka can't be reached, or went away meanwhile.
    """
    admin = await connect_admin(settings, clock, on_retry)
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
    try:
        await consumer.start()
        yield Cluster(settings, admin, consumer)
    except KafkaError as error:
        raise BrokerUnavailableError(
            f"Kafka at {settings.broker} did not answer as expected: {type(error).__name__} {error}"
        ) from error
    finally:
        await consumer.stop()
        await admin.close()

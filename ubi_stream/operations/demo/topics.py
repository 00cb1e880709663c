"""Looks at the topics from outside: how far the worker has come, and what is in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from ubi_stream.clock import Clock
from ubi_stream.errors import DeliveryError
from ubi_stream.kafka.client import client_options, connect_admin
from ubi_stream.packs.schema import Pack
from ubi_stream.runtime.backlog import Offsets, Stretches, uncommitted, with_records
from ubi_stream.runtime.topics import source_topics
from ubi_stream.settings import Settings

_POLL_S: Final = 0.1
# A barrier comes every 2 s, and a batch of the sink takes milliseconds: nothing at all in this time is a stall.
_STALLED_AFTER_S: Final = 120.0
_READ_TIMEOUT_MS: Final = 1_000
_FETCH_WAIT_MS: Final = 50  # partitions that are read to their end must not hold up the others


class TopicWatch:
    """The topics of one deployment, and the two groups that work through them: the worker's and the sink's."""

    def __init__(self, settings: Settings, pack: Pack, admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer) -> None:
        self._settings = settings
        self._admin = admin
        self._consumer = consumer
        self._sources = source_topics(settings, pack)
        self._behind_before: dict[str, Stretches] = {}
        self._without_records: dict[str, Stretches] = {}
        self._results = list(settings.sunk_topics)

    async def ends(self, topics: Iterable[str]) -> Offsets:
        """The next offset of every partition."""
        partitions = [TopicPartition(topic, number) for topic in topics for number in range(self._settings.partitions)]
        found: Offsets = await self._consumer.end_offsets(partitions)
        return found

    async def result_ends(self) -> Offsets:
        """The next offset of every partition of insights, dead letters and windows."""
        return await self.ends(self._results)

    async def settled(self) -> bool:
        """Whether all that was sent is processed, and all that came of it is stored.

        The worker commits after what a batch brought about is acknowledged. So where its commits have reached the ends
        of all sources at one moment, nothing more comes of them, and the ends of the results are final.
        """
        sources = await self.ends(self._sources)
        if await self._behind(self._settings.app_id, sources) or await self.ends(self._sources) != sources:
            return False
        return not await self._behind(f"{self._settings.app_id}-sink", await self.result_ends())

    async def until_settled(self, check: Callable[[], None], clock: Clock) -> None:
        """Wait until it is; `check` is called at each look, and may raise.

        Raises
        ------
        DeliveryError
            Nothing moved for two minutes.
        """
        position: tuple[Offsets, Offsets] | None = None
        moved_s = clock.monotonic_s()
        while not await self.settled():
            check()
            now = (await self._committed(self._settings.app_id), await self.result_ends())
            if now != position:
                position, moved_s = now, clock.monotonic_s()
            elif clock.monotonic_s() - moved_s > _STALLED_AFTER_S:
                raise DeliveryError(f"the worker has not moved for {_STALLED_AFTER_S:g} s")
            await asyncio.sleep(_POLL_S)

    async def values(self, topic: str) -> AsyncIterator[tuple[TopicPartition, int, bytes]]:
        """Every record of a topic, from its beginning to where it ends now: partition, offset, value."""
        ends = await self.ends([topic])
        starts = await self._consumer.beginning_offsets(list(ends))
        left = {tp for tp, end in ends.items() if starts[tp] < end}
        self._consumer.assign(list(ends))
        await self._consumer.seek_to_beginning(*ends)
        while left:
            polled = await self._consumer.getmany(*left, timeout_ms=_READ_TIMEOUT_MS)
            for tp, records in polled.items():
                for record in records:
                    if record.value is not None and record.offset < ends[tp]:
                        yield tp, record.offset, record.value
            positions = [(tp, await self._consumer.position(tp)) for tp in left]
            left = {tp for tp, position in positions if position < ends[tp]}

    async def _behind(self, group: str, ends: Offsets) -> bool:
        starts: Offsets = await self._consumer.beginning_offsets(list(ends))
        stretches = uncommitted(ends, await self._committed(group), starts, ends)
        if not stretches or stretches == self._without_records.get(group):
            return False
        # Only where nothing moves may it be that all that is left are the ends of transactions.
        stands, self._behind_before[group] = stretches == self._behind_before.get(group), stretches
        if not stands or await with_records(self._settings, stretches):
            return True
        self._without_records[group] = stretches
        return False

    async def _committed(self, group: str) -> Offsets:
        found: dict[TopicPartition, Any] = await self._admin.list_consumer_group_offsets(group)
        return {tp: entry.offset for tp, entry in found.items()}


@asynccontextmanager
async def watching(settings: Settings, pack: Pack, clock: Clock) -> AsyncIterator[TopicWatch]:
    """Connect for as long as the context lasts."""
    admin = await connect_admin(settings, clock)
    consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False, fetch_max_wait_ms=_FETCH_WAIT_MS)
    try:
        await consumer.start()
        yield TopicWatch(settings, pack, admin, consumer)
    finally:
        await consumer.stop()
        await admin.close()


class _Data(msgspec.Struct):
    kind: str


class _InsightHead(msgspec.Struct):
    id: str
    data: _Data


class _LetterHead(msgspec.Struct):
    id: str


_insight_head = msgspec.json.Decoder(_InsightHead).decode
_letter_head = msgspec.json.Decoder(_LetterHead).decode


class Results(msgspec.Struct):
    """What is on the topics of results.

    Attributes
    ----------
    insights
        Kind of every insight since the marks, by id.
    all_insights
        Ids of all insights of the topic.
    dead_letters
        Ids since the marks.
    """

    insights: dict[str, str] = {}
    all_insights: set[str] = set()
    dead_letters: set[str] = set()


async def read_results(topics: TopicWatch, settings: Settings, ends_before: Offsets) -> Results:
    """Read the topics of results; what is at or after a mark is told apart."""
    results = Results()
    async for tp, offset, value in topics.values(settings.insights_topic):
        head = _insight_head(value)
        results.all_insights.add(head.id)
        if offset >= ends_before[tp]:
            results.insights[head.id] = head.data.kind
    async for tp, offset, value in topics.values(settings.dead_letters_topic):
        if offset >= ends_before[tp]:
            results.dead_letters.add(_letter_head(value).id)
    return results

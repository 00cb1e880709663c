"""What a deployment has: the events on its topic, and the insights that it told, on their topic or in Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from ubi_stream.errors import DatabaseUnavailableError, TopicLayoutError
from ubi_stream.events.model import Record
from ubi_stream.kafka.client import client_options, unreachable
from ubi_stream.replay.shadow import PositionWindow
from ubi_stream.settings import Settings
from ubi_stream.sinks.base import InsightRow, Position
from ubi_stream.sinks.database import parse_target
from ubi_stream.sinks.decode import read_insight

Offsets = dict[TopicPartition, int]
_POLL_MS: Final = 1_000
_ROWS: Final = 1_000
_SELECT: Final = """
SELECT id, at, kind, entity, user_id, pack, label, score, confidence, severity, summary,
       explanation::text, evidence::text, model_version, trace_id, source_topic, source_partition, source_offset
FROM insights WHERE pack = $1 AND source_topic = $2
"""


class TopicReader:
    """Reads topics of a deployment without belonging to any group.

    Parameters
    ----------
    settings
        Where they are, and how many partitions they have.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer = AIOKafkaConsumer(
            **client_options(settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )

    async def __aenter__(self) -> TopicReader:
        try:
            await self._consumer.start()
        except KafkaConnectionError as error:
            await self._consumer.stop()
            raise unreachable(self._settings) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def stretch(self, topic: str, from_ms: int | None, to_ms: int | None) -> tuple[Offsets, Offsets]:
        """First offset and end of each partition's records that arrived in `[from_ms, to_ms)`; None is without limit.

        Raises
        ------
        TopicLayoutError
            The topic is missing, or has another number of partitions than the settings say.
        """
        known = await self._consumer._client.fetch_all_metadata()  # the consumer's own list is of its topics alone
        found = known.partitions_for_topic(topic) or set()
        if len(found) != self._settings.partitions:
            raise TopicLayoutError(
                f"topic {topic} has {len(found)} partitions, UBI_PARTITIONS is {self._settings.partitions}: set it to "
                "that of the workers"
            )
        partitions = [TopicPartition(topic, number) for number in sorted(found)]
        starts, ends = await self._consumer.beginning_offsets(partitions), await self._consumer.end_offsets(partitions)
        return await self._at(starts, ends, from_ms), await self._at(ends, ends, to_ms)

    async def records(self, first: Offsets, end: Offsets) -> AsyncIterator[tuple[TopicPartition, list[Any]]]:
        """Records of stretches, as they come; those of one partition in order."""
        left = {tp for tp in end if first[tp] < end[tp]}
        self._consumer.assign(list(left))
        for tp in left:
            self._consumer.seek(tp, first[tp])
        while left:
            polled = await self._consumer.getmany(*left, timeout_ms=_POLL_MS, max_records=_ROWS)
            for tp, found in polled.items():
                yield tp, [record for record in found if record.offset < end[tp]]
            left = {tp for tp in left if await self._consumer.position(tp) < end[tp]}

    async def _at(self, otherwise: Offsets, ends: Offsets, time_ms: int | None) -> Offsets:
        """Offset of the first record at a time or after it; `otherwise` without a time, the end where there is none."""
        if time_ms is None:
            return otherwise
        found = await self._consumer.offsets_for_times(dict.fromkeys(otherwise, time_ms))
        return {tp: ends[tp] if at is None else at.offset for tp, at in found.items()}


def as_record(item: Any) -> Record:
    """A consumer's record as the pipeline takes it."""
    headers = tuple(item.headers or ())
    return Record(item.topic, item.partition, item.offset, item.timestamp, item.key, item.value, headers)


def position_window(topic: str, first: Offsets, end: Offsets) -> PositionWindow:
    """The window of stretches of the events topic."""

    def by_partition(offsets: Mapping[TopicPartition, int]) -> dict[int, int]:
        return {tp.partition: offset for tp, offset in offsets.items()}

    return PositionWindow(topic, by_partition(first), by_partition(end))


async def insights_on_topic(settings: Settings, pack: str) -> AsyncIterator[InsightRow]:
    """Every insight of a pack that is on the insights topic now; one that was delivered twice comes twice."""
    async with TopicReader(settings) as reader:
        first, end = await reader.stretch(settings.insights_topic, None, None)
        async for tp, records in reader.records(first, end):
            for record in records:
                row = read_insight(record.value, Position(tp.topic, tp.partition, record.offset))
                if isinstance(row, InsightRow) and row.pack == pack:
                    yield row


async def insights_in_postgres(settings: Settings, pack: str) -> AsyncIterator[InsightRow]:
    """Every insight of a pack in Postgres, as of one moment.

    Raises
    ------
    DatabaseUnavailableError
        It can't be reached, or has no such table.
    """
    dsn = settings.postgres_dsn.get_secret_value()
    try:
        connection: Any = await asyncpg.connect(dsn)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                async for row in connection.cursor(_SELECT, pack, settings.events_topic, prefetch=_ROWS):
                    yield InsightRow(Position("", 0, 0), *row)
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError) as error:
        raise DatabaseUnavailableError(
            f"Postgres at {parse_target(dsn)} could not be read ({type(error).__name__}): is UBI_POSTGRES_DSN that of "
            "the workers?"
        ) from error

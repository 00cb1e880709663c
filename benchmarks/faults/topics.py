"""What is on the topics and in Postgres, read by clients of our own."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from benchmarks.faults.oracle import Figures, Visits, Window
from benchmarks.faults.oracle_rules import Rules
from ubi_stream.errors import RecoveryError
from ubi_stream.kafka.changelog_store import PartitionedContent, value_of
from ubi_stream.kafka.client import client_options
from ubi_stream.packs.schema import Pack
from ubi_stream.runtime.topics import source_topics
from ubi_stream.settings import Settings
from ubi_stream.state.codec import decode_state, newer_state
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import Pane, PaneRing
from ubi_stream.tables import states as state_tables

_ANSWER_S = 3.0
"""A server that takes longer to answer counts as away."""
_MAX_FETCH_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One record as a consumer sees it."""

    topic: str
    partition: int
    offset: int
    time_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]

    @property
    def position(self) -> str:
        """`topic-partition-offset`: what a dead letter is called."""
        return f"{self.topic}-{self.partition}-{self.offset}"


async def read_topic(settings: Settings, topic: str) -> list[LogRecord]:
    """All records of a topic, partition by partition, in the order of offsets."""
    records = [record async for record in records_of(settings, topic)]
    return sorted(records, key=lambda record: (record.partition, record.offset))


async def records_of(settings: Settings, topic: str) -> AsyncIterator[LogRecord]:
    """One record of a topic after the other, each partition's in order: a soak's changelog would fill the memory."""
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_MAX_FETCH_BYTES,
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for found in (await consumer.getmany(timeout_ms=500)).values():
                for r in found:
                    yield LogRecord(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, tuple(r.headers))
    finally:
        await consumer.stop()


async def read_figures(settings: Settings, rules: Rules, entity: str) -> dict[str, Figures]:
    """Figures of each entity as a restore would find them on the changelog."""
    found = PartitionedContent(newer_state)
    async for record in records_of(settings, settings.changelog_topic(state_tables.name(entity))):
        try:
            if record.value is not None:
                decode_state(record.value)
            found.apply(record.partition, record.key, value_of(record))
        except RecoveryError:
            continue  # put there by a fault
    exact = next(one for one in rules.entities if one.name == entity).exact
    delay_ms = next(one for one in rules.entities if one.name == entity).delay_ms
    return {
        key.decode(): _figures(decode_state(blob)[1], rules, exact=exact, delay_ms=delay_ms)
        for partition in found.owned
        for key, blob in found.content(partition).items()
    }


def _figures(state: UserState, rules: Rules, *, exact: bool, delay_ms: int) -> Figures:
    visits, session = state.visits, state.session
    return Figures(
        events=state.events,
        labels=state.labels,
        conversions=state.conversions,
        windows=_exact_windows(state, rules, delay_ms) if exact else _paned_windows(state, rules),
        visits=Visits(visits.count, visits.bounces, visits.converted, session.events),
    )


def _paned_windows(state: UserState, rules: Rules) -> dict[str, Window]:
    return {
        "5m": _sum(state.minutes, 1, rules),
        "1h": _sum(state.minutes, 12, rules),
        "24h": _sum(state.hours, 24, rules),
        "7d": _sum(state.days, 7, rules),
        "30d": _sum(state.days, 30, rules),
    }


def _sum(ring: PaneRing, panes: int, rules: Rules) -> Window:
    counts: dict[str, int] = {}
    micros = 0
    for number, pane in ring.panes.items():
        if number > ring.head - panes:
            micros += pane[0]
            for name, count in _by_type(pane, rules):
                counts[name] = counts.get(name, 0) + count
    return Window(tuple(sorted(counts.items())), micros)


def _by_type(pane: Pane, rules: Rules) -> list[tuple[str, int]]:
    names = [*rules.types, *["other"] * len(pane)]
    return [(names[index], count) for index, count in enumerate(pane[1:]) if count]


def _exact_windows(state: UserState, rules: Rules, delay_ms: int) -> dict[str, Window]:
    end_ms, windows = state.last_ms - delay_ms, {}
    for name, days in (("1d", 1), ("7d", 7), ("30d", 30)):
        counts: dict[str, int] = {}
        micros = bad = 0
        for entry in state.log:
            if end_ms - days * 86_400_000 < entry.time_ms <= end_ms:
                type_name = rules.types[entry.type_index] if entry.type_index < len(rules.types) else "other"
                counts[type_name] = counts.get(type_name, 0) + 1
                micros += entry.amount_micros
                bad += entry.outcome is True
        windows[name] = Window(tuple(sorted(counts.items())), micros, bad)
    return windows


@dataclass
class Delivered:
    """What reached the topics and Postgres: contents by id, rows by id."""

    topic_insights: dict[str, set[bytes]] = field(default_factory=dict)
    topic_letters: dict[str, str] = field(default_factory=dict)
    insights: list[tuple[str, str]] = field(default_factory=list)
    letters: dict[str, str] = field(default_factory=dict)
    windows: dict[tuple[Any, ...], tuple[int, float]] = field(default_factory=dict)
    visits: dict[str, str] = field(default_factory=dict)


async def read_delivered(settings: Settings) -> Delivered:
    """Read what was told, from both ends."""
    delivered = Delivered()
    async for record in records_of(settings, settings.insights_topic):
        delivered.topic_insights.setdefault(json.loads(record.value or b"")["id"], set()).add(record.value or b"")
    async for record in records_of(settings, settings.dead_letters_topic):
        letter = json.loads(record.value or b"")
        _check_whole(letter)
        delivered.topic_letters[letter["id"]] = letter["reason"]
    connection = await asyncpg.connect(settings.postgres_dsn.get_secret_value())
    try:
        for row in await connection.fetch("SELECT id, kind, entity, user_id, label, score, summary FROM insights"):
            delivered.insights.append((str(row["id"]), content_of(row)))
        for row in await connection.fetch("SELECT id, reason FROM dead_letters"):
            delivered.letters[row["id"]] = row["reason"]
        for row in await connection.fetch("SELECT * FROM visits"):
            delivered.visits[str(row["id"])] = visit_content(row)
        for row in await connection.fetch("SELECT * FROM window_counts WHERE closed"):
            start_ms = round(row["pane_start"].timestamp() * 1000)
            key = (row["entity"], row["partition"], row["pane_ms"], start_ms, row["measure"], row["key"])
            delivered.windows[key] = (row["count"], row["amount"])
    finally:
        await connection.close()
    return delivered


def content_of(row: Any) -> str:
    """What a row says, as one text: to be compared."""
    return "|".join(str(row[name]) for name in ("kind", "entity", "user_id", "label", "score", "summary"))


def visit_content(row: Any) -> str:
    """What a visit's row says, as one text that begins with its user."""
    names = ("user_id", "user_session", "behavior_segment", "total_events", "purchase_count", "total_amount", "segment")
    return "|".join(str(row[name]) for name in (*names, "session_duration_minutes", "unique_products"))


def _check_whole(letter: dict[str, Any]) -> None:
    if letter["value_base64"] is not None:
        base64.b64decode(letter["value_base64"], validate=True)


class Watch:
    """Looks at how far the workers and Postgres have come, from outside, through outages too."""

    def __init__(self, settings: Settings, pack: Pack) -> None:
        self._settings = settings
        numbers = range(settings.partitions)
        topics = source_topics(settings, pack)
        self._sources = [TopicPartition(topic, number) for topic in topics for number in numbers]
        self._sunk = [TopicPartition(topic, number) for topic in settings.sunk_topics for number in numbers]
        # Never subscribes, so it is no member of the group that it asks about.
        self._consumer = AIOKafkaConsumer(
            **client_options(settings), group_id=settings.app_id, enable_auto_commit=False
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.assign(self._sources)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    async def committed(self) -> int | None:
        """Offsets committed by the workers, added up; None while the broker doesn't answer."""
        found = await self._committed()
        return None if found is None else sum(found.values())

    async def events_committed(self) -> int:
        """Those of the events topic alone; 0 while the broker doesn't answer."""
        found = await self._committed() or {}
        return sum(offset for tp, offset in found.items() if tp.topic == self._settings.events_topic)

    async def behind(self) -> int | None:
        """Records of the source topics that are not committed; None while the broker doesn't answer."""
        committed, ends = await self._committed(), await self._ends(self._sources)
        if committed is None or ends is None:
            return None
        return sum(end - committed.get(tp, 0) for tp, end in ends.items())

    async def stored(self) -> int | None:
        """How far Postgres has come with the topics that go there; None while it doesn't answer."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                connection = await asyncpg.connect(self._settings.postgres_dsn.get_secret_value(), timeout=_ANSWER_S)
                try:
                    return int(await connection.fetchval("SELECT coalesce(sum(next_offset), 0) FROM sink_offsets"))
                finally:
                    connection.terminate()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return None

    async def to_store(self) -> int | None:
        """Records that go to Postgres and are not there; None while one of them doesn't answer."""
        ends, stored = await self._ends(self._sunk), await self.stored()
        return None if ends is None or stored is None else sum(ends.values()) - stored

    async def _committed(self) -> dict[TopicPartition, int] | None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                found = await asyncio.gather(*map(self._consumer.committed, self._sources))
        except (KafkaError, TimeoutError, OSError):
            return None
        return {tp: offset or 0 for tp, offset in zip(self._sources, found, strict=True)}

    async def _ends(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int] | None:
        try:
            async with asyncio.timeout(_ANSWER_S):
                return dict(await self._consumer.end_offsets(partitions))
        except (KafkaError, TimeoutError, OSError):
            return None

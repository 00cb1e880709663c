"""Follows the insights topic for the live view: what is worth a sentence now, and what is only counted."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from ubi_stream.kafka.client import client_options
from ubi_stream.settings import Settings

RANKS: Final = ("high", "medium", "low", "info")
"""Severities, the most urgent first."""
_LOUD: Final = ("high", "medium")
_KEPT: Final = 50
_WAITING: Final = 200
_IDS_KEPT: Final = 200_000  # insights about all users come once from each partition


class _ShownExplanation(msgspec.Struct):
    summary: str


class ShownInsight(msgspec.Struct):
    """What the view shows of an insight."""

    id: str
    kind: str
    entity: str
    user_id: str
    at: str
    severity: str
    explanation: _ShownExplanation
    label: str | None = None

    @property
    def at_s(self) -> float:
        """Event time, Unix seconds."""
        return datetime.fromisoformat(self.at).timestamp()

    @property
    def about(self) -> str:
        """Whom it is about, in words."""
        return "all users" if self.entity == "population" else self.user_id


class _Envelope(msgspec.Struct):
    data: ShownInsight


_decode = msgspec.json.Decoder(_Envelope).decode


class InsightFeed:
    """What was noticed since the story began.

    Attributes
    ----------
    since_s
        Start of the story, Unix seconds of event time: what is older was in the history, and is only counted.
    history
        How many insights the history brought.
    counts
        Insights of the story by severity.
    shown
        Insights of high and medium severity that were given out by `next_to_show`, the newest last.
    """

    def __init__(self) -> None:
        self.since_s = 0.0
        self.history = 0
        self.counts: Counter[str] = Counter()
        self.shown: list[ShownInsight] = []
        self._waiting: list[ShownInsight] = []
        self._ids: set[str] = set()

    def add(self, value: bytes) -> None:
        """Take one record of the topic; the same insight from another partition counts once."""
        seen = _decode(value).data
        if seen.id in self._ids:
            return
        if len(self._ids) < _IDS_KEPT:
            self._ids.add(seen.id)
        if seen.at_s < self.since_s:
            self.history += 1
            return
        self.counts[seen.severity] += 1
        if seen.severity in _LOUD and len(self._waiting) < _WAITING:
            self._waiting.append(seen)

    def begin(self, since_s: float) -> None:
        """Let the story begin: what was there before is history."""
        self.since_s = since_s
        self.history += self.counts.total()
        self.counts.clear()
        self._waiting.clear()

    def next_to_show(self) -> ShownInsight | None:
        """The most urgent of those that wait, among equals the oldest; None if none waits."""
        if not self._waiting:
            return None
        seen = min(self._waiting, key=lambda one: (RANKS.index(one.severity), one.entity != "population", one.at))
        self._waiting.remove(seen)
        self.shown.append(seen)
        return seen

    def ranked(self, limit: int) -> list[ShownInsight]:
        """The newest that were shown, ranked: the most urgent first, among equals the newest."""
        newest = sorted(self.shown[-_KEPT:], key=lambda one: one.at, reverse=True)
        return sorted(newest, key=lambda one: RANKS.index(one.severity))[:limit]

    async def follow(self, settings: Settings) -> None:
        """Read the topic from its beginning and on, until cancelled."""
        consumer = AIOKafkaConsumer(**client_options(settings), enable_auto_commit=False)
        await consumer.start()
        try:
            partitions = [TopicPartition(settings.insights_topic, number) for number in range(settings.partitions)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning(*partitions)
            async for record in consumer:
                if record.value is not None:
                    self.add(record.value)
        finally:
            await consumer.stop()

"""Follows the insights topic for the live view."""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from ubi_stream.runtime.kafka_client import client_options
from ubi_stream.settings import Settings

_KEPT: Final = 100
_USERS_KEPT: Final = 200_000  # segments of more users than that are not remembered: 20 MB


class _Explanation(msgspec.Struct):
    summary: str


class Seen(msgspec.Struct):
    """What the view shows of an insight."""

    kind: str
    entity: str
    user_id: str
    at: str
    severity: str
    explanation: _Explanation
    label: str | None = None
    score: float | None = None


class _Envelope(msgspec.Struct):
    data: Seen


_decode = msgspec.json.Decoder(_Envelope).decode


class InsightFeed:
    """The newest insights, and what all of them add up to.

    Attributes
    ----------
    newest
        Up to 100, the newest last.
    counts
        Insights by kind since the feed began, or of the topic where it began with that.
    """

    def __init__(self) -> None:
        self.newest: deque[Seen] = deque(maxlen=_KEPT)
        self.counts: Counter[str] = Counter()
        self._segments: dict[str, str] = {}

    def add(self, value: bytes) -> Seen:
        """Take one record of the topic."""
        seen = _decode(value).data
        self.newest.append(seen)
        self.counts[seen.kind] += 1
        if seen.kind == "segment" and seen.label and (seen.user_id in self._segments or self._has_room):
            self._segments[seen.user_id] = seen.label
        return seen

    def segments(self) -> list[tuple[str, int]]:
        """How many users are in each segment, the largest first."""
        return Counter(self._segments.values()).most_common()

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

    @property
    def _has_room(self) -> bool:
        return len(self._segments) < _USERS_KEPT

"""A sink in memory, for tests and for replay without a database."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar
from uuid import UUID

from ubi_stream.sinks.base import (
    DeadLetterRow,
    InsightRow,
    RecommendationRow,
    Row,
    SinkBatch,
    SinkBehindError,
    TopicPartition,
    VisitRow,
    WindowIdentity,
    WindowRow,
    WriteResult,
)
from ubi_stream.sinks.erasure import ErasedSubject, Owned, after_erasures, records_after_erasures

_R = TypeVar("_R", bound=Row)


class MemorySink:
    """Keeps rows by identity, as the database does.

    Attributes
    ----------
    insights, dead_letters, windows, visits, recommendations
        What is stored, by id (window counts: by identity).
    """

    def __init__(self) -> None:
        self.insights: dict[UUID, InsightRow] = {}
        self.dead_letters: dict[str, DeadLetterRow] = {}
        self.windows: dict[WindowIdentity, WindowRow] = {}
        self.visits: dict[UUID, VisitRow] = {}
        self.recommendations: dict[UUID, RecommendationRow] = {}
        self._next_offsets: dict[TopicPartition, int] = {}

    async def write(self, batch: SinkBatch) -> WriteResult:
        for partition, start in batch.starts.items():
            if self._next_offsets.get(partition, start) < start:
                raise SinkBehindError(f"{partition.topic}-{partition.partition} is stored to less than {start}")
        rows, erased = after_erasures(self._fresh(batch.insights))
        gone = [row.id for row in self.insights.values() if (row.entity, row.user_id) in erased]
        for row_id in gone:
            del self.insights[row_id]
        insights = {row.id: row for row in rows if row.id not in self.insights}
        dead_letters = {row.id: row for row in self._fresh(batch.dead_letters) if row.id not in self.dead_letters}
        windows = {row.identity: row for row in self._fresh(batch.windows)}
        kept, no_more = records_after_erasures(self._fresh(batch.visits))
        _drop(self.visits, no_more)
        visits = {row.id: row for row in kept}
        self.visits |= visits
        given, no_more = records_after_erasures(self._fresh(batch.recommendations))
        _drop(self.recommendations, no_more)
        recommendations = {row.id: row for row in given if row.id not in self.recommendations}
        self.recommendations |= recommendations
        self.insights |= insights
        self.dead_letters |= dead_letters
        self.windows |= windows
        for partition, offset in batch.next_offsets.items():
            self._next_offsets[partition] = max(offset, self._next_offsets.get(partition, 0))
        return WriteResult(len(insights), len(dead_letters), len(windows), len(visits), len(recommendations))

    async def next_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: self._next_offsets[partition] for partition in partitions if partition in self._next_offsets}

    async def forget(self, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            self._next_offsets.pop(partition, None)

    def _fresh(self, rows: Iterable[_R]) -> list[_R]:
        return [row for row in rows if row.position.offset >= self._next_offsets.get(row.position.topic_partition, 0)]


def _drop(rows: dict[UUID, Owned], subjects: Collection[ErasedSubject]) -> None:
    """Delete the rows of erased users."""
    for row_id in [row.id for row in rows.values() if (row.entity, row.user_id) in subjects]:
        del rows[row_id]

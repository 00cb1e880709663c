"""What a sink takes, gives back and promises; every implementation passes `tests/contract/test_sinks.py`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

import msgspec

from ubi_stream.errors import UbiError


class TopicPartition(NamedTuple):
    """One partition of a topic."""

    topic: str
    partition: int


class Position(NamedTuple):
    """Where a record is on Kafka."""

    topic: str
    partition: int
    offset: int

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


class InsightRow(msgspec.Struct, frozen=True, gc=False):
    """One insight as a row. `position` is the record's place on the insights topic, `source_*` the causing event's."""

    position: Position
    id: UUID
    at: datetime
    kind: str
    entity: str
    user_id: str
    pack: str
    label: str | None
    score: float | None
    confidence: float | None
    severity: str
    summary: str
    explanation: str
    evidence: str
    model_version: str
    trace_id: str | None
    source_topic: str
    source_partition: int
    source_offset: int


class DeadLetterRow(msgspec.Struct, frozen=True, gc=False):
    """What the index says of one dead letter; `at` is the broker's timestamp of the source record."""

    position: Position
    id: str
    reason: str
    path: str
    message: str
    source_topic: str
    source_partition: int
    source_offset: int
    at: datetime | None


class WindowIdentity(NamedTuple):
    """What tells one partial count from another."""

    pack: str
    entity: str
    partition: int
    pane_start: datetime
    pane_ms: int
    measure: str
    key: str


class WindowRow(msgspec.Struct, frozen=True, gc=False):
    """One partial count; a later row of the same identity replaces it."""

    position: Position
    pack: str
    entity: str
    partition: int
    pane_start: datetime
    pane_ms: int
    measure: str
    key: str
    count: int
    amount: float
    closed: bool

    @property
    def identity(self) -> WindowIdentity:
        return WindowIdentity(
            self.pack, self.entity, self.partition, self.pane_start, self.pane_ms, self.measure, self.key
        )


class VisitRow(msgspec.Struct, frozen=True, gc=False):
    """One visit as a row; a later row with the same id replaces it. Lists are JSON."""

    position: Position
    id: UUID
    pack: str
    entity: str
    user_id: str
    user_session: str
    behavior_segment: str | None
    segment_color: str | None
    segment_score: float | None
    session_start: datetime
    session_end: datetime
    session_duration_minutes: float
    total_events: int
    view_count: int
    cart_count: int
    purchase_count: int
    unique_products: int
    unique_categories: int
    total_amount: float | None
    engagement_rate: float | None
    cart_conversion_rate: float | None
    purchase_conversion_rate: float | None
    overall_conversion_rate: float | None
    recommendations: str
    action_priority: int | None
    criteria_met: str
    segment: str | None
    usual_events: float | None
    usual_duration_minutes: float | None
    trace_id: str | None


class VisitErasureRow(msgspec.Struct, frozen=True, gc=False):
    """No row: what comes before it on its partition about that user is deleted."""

    position: Position
    entity: str
    user_id: str


class RecommendationRow(msgspec.Struct, frozen=True, gc=False):
    """A choice among recommendations, its reward, or an answer. Objects are JSON."""

    position: Position
    id: UUID
    type: str
    pack: str
    entity: str
    user_id: str
    at: datetime
    insight_id: UUID
    segment: str
    action: str | None
    policy: str | None
    propensity: float | None
    probabilities: str | None
    context: str | None
    rewards_seen: int | None
    reward: float | None
    rewarded_by: str | None
    answer: str | None
    author: str | None
    note: str | None
    trace_id: str | None


class RecommendationErasureRow(VisitErasureRow, frozen=True, gc=False):
    """The same of records of recommendations."""


Row = InsightRow | DeadLetterRow | WindowRow | VisitRow | RecommendationRow | VisitErasureRow


class SinkBatch(msgspec.Struct, frozen=True):
    """Rows of one poll, and the stretch of each partition that they came from.

    `starts` is the offset at which the stretch begins (where the sink is thought to be), `next_offsets` the first one
    after it. A stretch may hold no row at all: the offset moves on all the same.
    """

    starts: Mapping[TopicPartition, int]
    next_offsets: Mapping[TopicPartition, int]
    insights: tuple[InsightRow, ...] = ()
    dead_letters: tuple[DeadLetterRow, ...] = ()
    windows: tuple[WindowRow, ...] = ()
    visits: tuple[VisitRow | VisitErasureRow, ...] = ()
    recommendations: tuple[RecommendationRow | RecommendationErasureRow, ...] = ()


class RejectedRow(msgspec.Struct, frozen=True):
    """A row that the sink can never store; `code` is the SQLSTATE or the name of the error, never its text."""

    row: Row
    code: str


class WriteResult(msgspec.Struct, frozen=True):
    """What one write changed: rows that were not there before, and rows that can't be stored."""

    insights: int = 0
    dead_letters: int = 0
    windows: int = 0
    visits: int = 0
    recommendations: int = 0
    rejected: tuple[RejectedRow, ...] = ()


class SinkBehindError(UbiError):
    """The sink has less than its writer thought (a restored backup): read on from where the sink really is."""

    retriable = True


class InsightSink(Protocol):
    """Stores each row once, however often and by however many writers its record is delivered."""

    async def write(self, batch: SinkBatch) -> WriteResult:
        """Store the rows and move the offsets on, both or neither.

        Rows below the sink's own offset of their partition are left out: another writer has stored them. Offsets only
        move forward. Waits for as long as the sink is away; cancelling is safe at any moment. A receipt of an erasure
        deletes its user's rows of before, and is stored under the hash of the user's id.

        Raises
        ------
        SinkBehindError
            A stretch starts after the sink's own offset, so records between would be lost. Nothing is stored.
        """
        ...

    async def next_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """First offset that is not stored yet, of those partitions of which anything is."""
        ...

    async def forget(self, partitions: Collection[TopicPartition]) -> None:
        """Drop the offsets (not the rows): the topic was made anew and starts again."""
        ...


class SinkObserver(Protocol):
    """Who counts: the runtime wires it to metrics, tests to a list."""

    def batch_written(self, result: WriteResult, seconds: float) -> None:
        """One transaction is in; `seconds` includes waiting for the sink."""
        ...

    def records_skipped(self, topic: str, count: int) -> None:
        """So many records of a topic could not be read as what the topic holds."""
        ...

    def records_expired(self, topic: str, count: int) -> None:
        """So many records of a topic were gone from it before they were stored."""
        ...


class NullObserver:
    """Counts nothing."""

    def batch_written(self, result: WriteResult, seconds: float) -> None:
        return None

    def records_skipped(self, topic: str, count: int) -> None:
        return None

    def records_expired(self, topic: str, count: int) -> None:
        return None

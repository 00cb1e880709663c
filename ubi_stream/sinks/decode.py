"""From what the topics hold to rows. Outcomes are values: a record that can't be read is None, and never raises."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar
from uuid import UUID

import msgspec

from ubi_stream.insights.model import InsightSource, WindowCount
from ubi_stream.sinks.base import (
    DeadLetterRow,
    InsightRow,
    Position,
    RecommendationErasureRow,
    RecommendationRow,
    Row,
    VisitErasureRow,
    VisitRow,
    WindowRow,
)

_T = TypeVar("_T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_UNSTORABLE = re.compile(
    rb"(?<!\\)((?:\\\\)*)"  # an even number of backslashes, so that the next one starts an escape
    rb"(?:\\u0000"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"  # a high surrogate without its low one
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"  # a low one without its high one
)


def storable(value: bytes) -> bytes:
    r"""JSON without what Postgres can't store: NUL and lone surrogates become U+FFFD, the replacement character.

    >>> storable(rb'{"a": "x\u0000y", "b": "\ud83d\ude00 \ud83d", "c": "\\u0000"}')
    b'{"a": "x\\ufffdy", "b": "\\ud83d\\ude00 \\ufffd", "c": "\\\\u0000"}'
    """
    return _UNSTORABLE.sub(rb"\1\\ufffd", value) if b"\\u" in value else value


class _Summary(msgspec.Struct):
    summary: str


class _InsightData(msgspec.Struct):
    """`data` of an insight's CloudEvent. Kinds are plain text here: a newer worker's kind must be stored as well."""

    id: UUID
    kind: str
    entity: str
    user_id: str
    pack: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    severity: str
    explanation: msgspec.Raw
    model_version: str
    source: InsightSource
    label: str | None = None
    score: float | None = None
    confidence: float | None = None
    evidence: msgspec.Raw = msgspec.Raw(b"{}")
    trace_id: str | None = None


class _InsightEvent(msgspec.Struct):
    data: _InsightData


class _DeadLetterSource(msgspec.Struct):
    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None = None


class _DeadLetterJson(msgspec.Struct):
    id: str
    reason: str
    path: str
    message: str
    source: _DeadLetterSource


_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _VisitJson(msgspec.Struct, tag="visit"):
    """A visit's record on its topic."""

    id: UUID
    pack: str
    entity: str
    user_id: str
    user_session: str
    behavior_segment: str | None
    segment_color: str | None
    segment_score: float | None
    session_start: _Moment
    session_end: _Moment
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
    recommendations: msgspec.Raw
    action_priority: int | None
    criteria_met: msgspec.Raw
    segment: str | None
    usual_events: float | None
    usual_duration_minutes: float | None
    trace_id: str | None


class _VisitErasureJson(msgspec.Struct, tag="erasure"):
    entity: str
    user_id: str


class _RecommendationJson(msgspec.Struct):
    """A record of a recommendation on its topic."""

    id: UUID
    pack: str
    entity: str
    user_id: str
    at: _Moment
    insight_id: UUID
    segment: str
    action: str | None
    policy: str | None
    propensity: float | None
    probabilities: msgspec.Raw
    context: msgspec.Raw
    rewards_seen: int | None
    reward: float | None
    rewarded_by: str | None
    answer: str | None
    author: str | None
    note: str | None
    trace_id: str | None


class _Choice(_RecommendationJson, tag="choice"):
    pass


class _Reward(_RecommendationJson, tag="reward"):
    pass


class _AnswerJson(_RecommendationJson, tag="answer"):
    pass


_SUMMARY = msgspec.json.Decoder(_Summary)
_INSIGHT = msgspec.json.Decoder(_InsightEvent)
_DEAD_LETTER = msgspec.json.Decoder(_DeadLetterJson)
_WINDOW = msgspec.json.Decoder(WindowCount)
_VISIT = msgspec.json.Decoder(_VisitJson | _VisitErasureJson)
_RECOMMENDATION = msgspec.json.Decoder(_Choice | _Reward | _AnswerJson | _VisitErasureJson)
_TYPES = {_Choice: "choice", _Reward: "reward", _AnswerJson: "answer"}

Reader = Callable[[bytes | None, Position], Row | None]
"""Makes the row of one record's value, or None where the value is not what the topic holds."""


def read_insight(value: bytes | None, position: Position) -> InsightRow | None:
    """Row of an insight's CloudEvent; explanation and evidence are kept as they came."""

    def row(event: _InsightEvent) -> InsightRow:
        data = event.data
        return InsightRow(
            position=position,
            id=data.id,
            at=data.at,
            kind=data.kind,
            entity=data.entity,
            user_id=data.user_id,
            pack=data.pack,
            label=data.label,
            score=data.score,
            confidence=data.confidence,
            severity=data.severity,
            summary=_SUMMARY.decode(data.explanation).summary,
            explanation=bytes(data.explanation).decode(),
            evidence=bytes(data.evidence).decode(),
            model_version=data.model_version,
            trace_id=data.trace_id,
            source_topic=data.source.topic,
            source_partition=data.source.partition,
            source_offset=data.source.offset,
        )

    return _read(_INSIGHT, value, row)


def read_dead_letter(value: bytes | None, position: Position) -> DeadLetterRow | None:
    """Index entry of a dead letter; its body is not even decoded."""

    def row(letter: _DeadLetterJson) -> DeadLetterRow:
        source = letter.source
        known = source.timestamp_ms is not None and source.timestamp_ms >= 0  # -1 is Kafka's "no timestamp"
        return DeadLetterRow(
            position=position,
            id=letter.id,
            reason=letter.reason,
            path=letter.path,
            message=letter.message,
            source_topic=source.topic,
            source_partition=source.partition,
            source_offset=source.offset,
            at=_change(source.timestamp_ms or 0) if known else None,
        )

    return _read(_DEAD_LETTER, value, row)


def read_window(value: bytes | None, position: Position) -> WindowRow | None:
    """Row of one partition's count in one closed pane."""

    def row(window: WindowCount) -> WindowRow:
        return WindowRow(
            position=position,
            pack=window.pack,
            entity=window.entity,
            partition=window.partition,
            pane_start=_change(window.pane_start_ms),
            pane_ms=window.pane_ms,
            measure=window.measure,
            key=window.key,
            count=window.count,
            amount=window.amount,
            closed=window.closed,
        )

    return _read(_WINDOW, value, row)


def read_visit(value: bytes | None, position: Position) -> VisitRow | VisitErasureRow | None:
    """Row of a visit, or the note that a user's visits are to be deleted."""

    def row(visit: _VisitJson | _VisitErasureJson) -> VisitRow | VisitErasureRow:
        if isinstance(visit, _VisitErasureJson):
            return VisitErasureRow(position, visit.entity, visit.user_id)
        fields = msgspec.structs.asdict(visit)
        for name in ("recommendations", "criteria_met"):
            fields[name] = bytes(fields[name]).decode()
        return VisitRow(position, **fields)

    return _read(_VISIT, value, row)


def read_recommendation(value: bytes | None, position: Position) -> RecommendationRow | RecommendationErasureRow | None:
    """Row of a recommendation's record, or the note that a user's records are to be deleted."""

    def row(
        record: _Choice | _Reward | _AnswerJson | _VisitErasureJson,
    ) -> RecommendationRow | RecommendationErasureRow:
        if isinstance(record, _VisitErasureJson):
            return RecommendationErasureRow(position, record.entity, record.user_id)
        fields = msgspec.structs.asdict(record)
        for name in ("probabilities", "context"):
            text = bytes(fields[name]).decode()
            fields[name] = None if text == "null" else text
        return RecommendationRow(position, type=_TYPES[type(record)], **fields)

    return _read(_RECOMMENDATION, value, row)


_R = TypeVar("_R", bound=Row)


def _read(decoder: msgspec.json.Decoder[_T], value: bytes | None, row: Callable[[_T], _R]) -> _R | None:
    if value is None:
        return None
    try:
        return row(decoder.decode(storable(value)))
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError):
        return None  # no such JSON, not UTF-8 inside a part that is kept as it came, a year after 9999, nested too deep


def _change(unix_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=unix_ms)  # exact, which a float of seconds is not

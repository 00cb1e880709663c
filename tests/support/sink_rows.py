"""Rows and records as the sinks get them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec

from ubi_stream.sinks.base import (
    DeadLetterRow,
    InsightRow,
    Position,
    RecommendationErasureRow,
    RecommendationRow,
    SinkBatch,
    TopicPartition,
    VisitErasureRow,
    VisitRow,
    WindowRow,
)

INSIGHTS, DEAD_LETTERS, WINDOWS, VISITS = "t.insights", "t.dead-letters", "t.windows", "t.visits"
RECOMMENDATIONS = "t.recommendations"
START = datetime(2019, 10, 1, tzinfo=UTC)
_NAMESPACE = UUID(int=1)


def insight_id(number: int) -> UUID:
    return uuid5(_NAMESPACE, str(number))


def insight_row(number: int, *, partition: int = 0, **changes: Any) -> InsightRow:
    """The insight of that number, at that offset, one second after the one before."""
    row = InsightRow(
        position=Position(INSIGHTS, partition, number),
        id=insight_id(number),
        at=START + timedelta(seconds=number),
        kind="segment",
        entity="user",
        user_id=f"u{number % 7}",
        pack="ecommerce",
        label="engaged_shopper",
        score=0.7,
        confidence=0.9,
        severity="info",
        summary="Looks at many things, buys some",
        explanation='{"summary":"Looks at many things, buys some","contributions":[]}',
        evidence='{"views":12}',
        model_version="m1",
        trace_id=None,
        source_topic="t.events",
        source_partition=partition,
        source_offset=number,
    )
    return msgspec.structs.replace(row, **changes)


def window_row(offset: int, count: int, *, key: str = "bouncer", partition: int = 0, **changes: Any) -> WindowRow:
    row = WindowRow(
        position=Position(WINDOWS, partition, offset),
        pack="ecommerce",
        entity="user",
        partition=partition,
        pane_start=START,
        pane_ms=300_000,
        measure="users_by_segment",
        key=key,
        count=count,
        amount=0.0,
        closed=True,
    )
    return msgspec.structs.replace(row, **changes)


def visit_row(offset: int, number: int, *, partition: int = 0, **changes: Any) -> VisitRow:
    """The visit of that number, at that offset: it began an hour after the one before, and took ten minutes."""
    start = START + timedelta(hours=number)
    row = VisitRow(
        position=Position(VISITS, partition, offset),
        id=insight_id(number),
        pack="ecommerce",
        entity="user",
        user_id=f"u{number % 7}",
        user_session=f"s{number}",
        behavior_segment="browser",
        segment_color="yellow",
        segment_score=50.0,
        session_start=start,
        session_end=start + timedelta(minutes=10),
        session_duration_minutes=10.0,
        total_events=5,
        view_count=4,
        cart_count=1,
        purchase_count=0,
        unique_products=3,
        unique_categories=2,
        total_amount=None,
        engagement_rate=0.5,
        cart_conversion_rate=25.0,
        purchase_conversion_rate=0.0,
        overall_conversion_rate=0.0,
        recommendations='["Show reviews"]',
        action_priority=2,
        criteria_met="[]",
        segment="active",
        usual_events=None,
        usual_duration_minutes=None,
        trace_id=None,
    )
    return msgspec.structs.replace(row, **changes)


def visit_erasure(offset: int, user_id: str, *, partition: int = 0) -> VisitErasureRow:
    return VisitErasureRow(Position(VISITS, partition, offset), "user", user_id)


def recommendation_row(offset: int, number: int, *, partition: int = 0) -> RecommendationRow:
    """The reward of that number, of user u<number mod 7>."""
    return RecommendationRow(
        position=Position(RECOMMENDATIONS, partition, offset),
        id=insight_id(number),
        type="reward",
        pack="ecommerce",
        entity="user",
        user_id=f"u{number % 7}",
        at=START,
        insight_id=insight_id(1000 + number),
        segment="at_risk",
        action="ask_why",
        policy="UCB",
        propensity=0.5,
        probabilities=None,
        context='{"session_depth":0.5}',
        rewards_seen=number,
        reward=1.0,
        rewarded_by="conversion",
        answer=None,
        author=None,
        note=None,
        trace_id=None,
    )


def dead_letter_row(offset: int, *, partition: int = 0) -> DeadLetterRow:
    return DeadLetterRow(
        position=Position(DEAD_LETTERS, partition, offset),
        id=f"t.events-{partition}-{offset}",
        reason="malformed_json",
        path="$",
        message="Not JSON",
        source_topic="t.events",
        source_partition=partition,
        source_offset=offset,
        at=START,
    )


def stretch(topic: str, start: int, end: int, *rows: Any, partition: int = 0) -> SinkBatch:
    """A batch of the offsets [start, end) of one partition, with these rows in it."""
    where = TopicPartition(topic, partition)
    return SinkBatch(
        starts={where: start},
        next_offsets={where: end},
        insights=tuple(row for row in rows if isinstance(row, InsightRow)),
        dead_letters=tuple(row for row in rows if isinstance(row, DeadLetterRow)),
        windows=tuple(row for row in rows if isinstance(row, WindowRow)),
        visits=tuple(row for row in rows if isinstance(row, VisitRow) or type(row) is VisitErasureRow),
        recommendations=tuple(row for row in rows if isinstance(row, RecommendationRow | RecommendationErasureRow)),
    )


def insights_stretch(start: int, end: int) -> SinkBatch:
    """A batch of the insights [start, end), each at its own number as offset."""
    return stretch(INSIGHTS, start, end, *(insight_row(number) for number in range(start, end)))


def insight_record(number: int, **changes: Any) -> bytes:
    """Value of the insights topic for the insight of that number."""
    row = insight_row(number)
    data: dict[str, Any] = {
        "id": str(row.id),
        "kind": row.kind,
        "entity": row.entity,
        "user_id": row.user_id,
        "pack": row.pack,
        "at": row.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "label": row.label,
        "score": row.score,
        "confidence": row.confidence,
        "severity": row.severity,
        "explanation": {"summary": row.summary, "contributions": []},
        "evidence": {"views": 12},
        "model_version": row.model_version,
        "source": {"topic": row.source_topic, "partition": row.source_partition, "offset": row.source_offset},
        "trace_id": None,
    }
    event = {
        "specversion": "1.0",
        "id": data["id"],
        "source": "ubi-stream/ecommerce",
        "type": "dev.ubi.insight.v1",
        "subject": row.user_id,
        "time": data["at"],
        "datacontenttype": "application/json",
        "data": data | changes,
    }
    return msgspec.json.encode(event)


def dead_letter_record(number: int) -> bytes:
    """Value of the dead-letters topic for a record of that number."""
    return msgspec.json.encode(
        {
            "id": f"t.events-0-{number}",
            "reason": "malformed_json",
            "path": "$",
            "message": "Not JSON",
            "source": {"topic": "t.events", "partition": 0, "offset": number, "timestamp_ms": 1_569_888_000_000},
            "key_base64": None,
            "value_base64": "AAAA",
            "headers": [],
        }
    )

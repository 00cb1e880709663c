"""Insights as CloudEvents 1.0 JSON, dead letters and window counts as JSON: what goes to the topics."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ubi_stream.events.model import DeadLetter
from ubi_stream.insights.model import FeatureRow, Insight, WindowCount
from ubi_stream.insights.recommendations import RecommendationErasure, RecommendationOutput
from ubi_stream.insights.visits import VisitErasure, VisitOutput

CONTENT_TYPE: Final = (("content-type", b"application/cloudevents+json; charset=utf-8"),)
INSIGHT_TYPE: Final = "dev.ubi.insight.v1"

_encode = msgspec.json.Encoder().encode


def encode_insight(insight: Insight) -> bytes:
    """An insight as a structured CloudEvent."""
    at, why = iso_time(insight.at_ms), insight.explanation
    data: dict[str, Any] = {
        "id": insight.id,
        "kind": insight.kind,
        "entity": insight.entity,
        "user_id": insight.user_id,
        "pack": insight.pack,
        "at": at,
        "label": insight.label,
        "score": insight.score,
        "confidence": insight.confidence,
        "severity": insight.severity,
        "explanation": {"summary": why.summary, "contributions": why.contributions},
        "evidence": {**insight.evidence, "claims": why.claims},
        "model_version": insight.model_version,
        "source": insight.source,
        "trace_id": insight.trace_id,
    }
    return _encode(
        {
            "specversion": "1.0",
            "id": insight.id,
            "source": f"ubi-stream/{insight.pack}",
            "type": INSIGHT_TYPE,
            "subject": insight.user_id,
            "time": at,
            "datacontenttype": "application/json",
            "data": data,
        }
    )


def encode_window(count: WindowCount) -> bytes:
    """One cell of a closed pane."""
    return _encode(count)


def encode_visit(visit: VisitOutput) -> bytes:
    """A visit's record, or the note that a user's records are to be deleted: `type` says which."""
    if isinstance(visit, VisitErasure):
        return _encode({"type": "erasure", "entity": visit.entity, "user_id": visit.user_id})
    fields = msgspec.structs.asdict(visit)
    for name in ("session_start", "session_end"):
        fields[name] = iso_time(fields.pop(f"{name}_ms"))
    return _encode({"type": "visit", **fields})


def encode_recommendation(record: RecommendationOutput) -> bytes:
    """A record of a recommendation, or the note that a user's records are to be deleted: `type` says which."""
    if isinstance(record, RecommendationErasure):
        return _encode({"type": "erasure", "entity": record.entity, "user_id": record.user_id})
    fields = msgspec.structs.asdict(record)
    fields["at"] = iso_time(fields.pop("at_ms"))
    return _encode(fields)


def encode_features(row: FeatureRow) -> bytes:
    """The features of one event, as the models saw them."""
    return _encode(row)


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """A dead letter: reason, path, message, and the whole record, so that it can be repaired and sent again."""
    record = letter.record
    return _encode(
        {
            "id": f"{record.topic}-{record.partition}-{record.offset}",
            "reason": letter.reason,
            "path": letter.path,
            "message": letter.message,
            "source": {
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "timestamp_ms": record.timestamp_ms,
            },
            "key_base64": _base64(record.key),
            "value_base64": _base64(record.value),
            "headers": [[name, _base64(value)] for name, value in record.headers],
        }
    )


def iso_time(time_ms: int) -> str:
    """Unix milliseconds as ISO 8601 in UTC.

    >>> iso_time(1_569_888_000_123)
    '2019-10-01T00:00:00.123Z'
    """
    at = datetime.fromtimestamp(time_ms // 1000, UTC).replace(microsecond=time_ms % 1000 * 1000)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _base64(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode("ascii")

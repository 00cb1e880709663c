"""Insights and five-minute counts as they must be: the offline run over the very log that the workers had.

Insights are the models' business, so their reference is the pipeline itself, undisturbed and in one process. What the
oracle counts on its own is not taken from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from benchmarks.faults.topics import LogRecord, content_of, visit_content
from ubi_stream.effects import Effects
from ubi_stream.events.model import Record
from ubi_stream.insights.encoding import encode_insight
from ubi_stream.insights.visits import VisitRecord
from ubi_stream.packs.schema import Pack
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.settings import Settings


@dataclass
class Reference:
    """Content by insight id, as on the topic and as a row says it; count and amount by window cell; rows of visits."""

    insights: dict[str, bytes] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    windows: dict[tuple[Any, ...], tuple[int, float]] = field(default_factory=dict)
    visits: dict[str, str] = field(default_factory=dict)

    def take(self, effects: Effects) -> None:
        """Note what a batch brought about."""
        for insight in effects.insights:
            self.insights[insight.id] = encode_insight(insight)
            self.rows[insight.id] = content_of(
                {
                    "kind": insight.kind,
                    "entity": insight.entity,
                    "user_id": insight.user_id,
                    "label": insight.label,
                    "score": insight.score,
                    "summary": insight.explanation.summary,
                }
            )
        for visit in effects.visits:
            if isinstance(visit, VisitRecord):
                self.visits[visit.id] = visit_content(msgspec.structs.asdict(visit))
            else:
                self.visits = {id_: row for id_, row in self.visits.items() if not row.startswith(f"{visit.user_id}|")}
        for cell in effects.windows:
            key = (cell.entity, cell.partition, cell.pane_ms, cell.pane_start_ms, cell.measure, cell.key)
            self.windows[key] = (cell.count, cell.amount)


def reference(settings: Settings, pack: Pack, logs: dict[str, list[LogRecord]]) -> Reference:
    """Run each partition of each kind of entity over its log; `logs` by kind of entity."""
    run = OfflineRun(pack, settings, now_ms=0)
    result = Reference()
    for entity, log in logs.items():
        for number in range(settings.partitions):
            records = [record for record in log if record.partition == number]
            if entity != "user":
                records = _first_of_each(records)
            pipeline = run.partition(entity, number).pipeline
            for start in range(0, len(records), settings.chunk_max_events):
                batch = [_record(record) for record in records[start : start + settings.chunk_max_events]]
                result.take(pipeline.run(batch, forwarded=entity != "user"))
    return result


def _first_of_each(records: Iterable[LogRecord]) -> list[LogRecord]:
    """Forwarded records without those that were forwarded again after a crash."""
    first: dict[tuple[bytes, ...], LogRecord] = {}
    for record in records:
        headers = dict(record.headers)
        first.setdefault(
            tuple(headers.get(f"ubi-source-{part}", b"") for part in ("topic", "partition", "offset")), record
        )
    return list(first.values())


def _record(record: LogRecord) -> Record:
    return Record(
        record.topic, record.partition, record.offset, record.time_ms, record.key, record.value, record.headers
    )

"""Compares the insights of a shadow run with those that are live: what would be missing, more, or another.

Insights are found again by id: it is made of the pack's name and the causing event, so the same thing said about the
same event has the same id, whatever the pack says about it now.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final, Protocol, Self
from uuid import UUID

import msgspec

from ubi_stream.insights.encoding import encode_insight
from ubi_stream.insights.model import Insight
from ubi_stream.sinks.base import InsightRow, Position
from ubi_stream.sinks.decode import read_insight

COMPARED: Final = ("at", "label", "score", "confidence", "severity", "explanation", "evidence")
"""Not the model's version and the trace: they say how it came about, not what is said."""
_NOWHERE: Final = Position("", 0, 0)


class ComparedInsight(msgspec.Struct, frozen=True):
    """What one insight says, in a form in which two can be compared."""

    id: UUID
    kind: str
    entity: str
    content: dict[str, Any]


class ComparedCounts(msgspec.Struct):
    """Insights of one kind. `same` + `changed` + `missing` = `live`, `same` + `changed` + `additional` = `shadow`."""

    live: int = 0
    shadow: int = 0
    same: int = 0
    changed: int = 0
    missing: int = 0
    additional: int = 0
    changed_fields: dict[str, int] = {}


class InsightDifference(msgspec.Struct, frozen=True, omit_defaults=True):
    """One insight that is not the same: what is said live, and what the shadow says, as far as they differ."""

    difference: str
    id: UUID
    kind: str
    entity: str
    live: dict[str, Any] | None = None
    shadow: dict[str, Any] | None = None


class ComparedSpan(Protocol):
    """Which insights are compared."""

    def __contains__(self, row: InsightRow, /) -> bool: ...


class PositionWindow:
    """Insights whose causing event is in a stretch of the events topic: exact, and the same for both sides.

    Parameters
    ----------
    first, end
        By partition: the first offset that counts, and the first that does not.
    """

    def __init__(self, topic: str, first: dict[int, int], end: dict[int, int]) -> None:
        self._topic, self._first, self._end = topic, first, end

    def __contains__(self, row: InsightRow) -> bool:
        number = row.source_partition
        inside = self._first.get(number, 0) <= row.source_offset < self._end.get(number, 0)
        return row.source_topic == self._topic and inside


class TimeWindow:
    """Insights about a stretch of event time, in Unix milliseconds; the end is not part of it, None is no limit."""

    def __init__(self, first_ms: int | None, end_ms: int | None) -> None:
        self._first_ms, self._end_ms = first_ms, end_ms

    def __contains__(self, row: InsightRow) -> bool:
        at_ms = row.at.timestamp() * 1000
        begun = self._first_ms is None or self._first_ms <= at_ms
        return begun and (self._end_ms is None or at_ms < self._end_ms)


def comparable(row: InsightRow) -> ComparedInsight:
    """What a row says."""
    content = {name: getattr(row, name) for name in COMPARED}
    content["at"] = row.at.isoformat(timespec="milliseconds")
    content["explanation"] = msgspec.json.decode(row.explanation)
    content["evidence"] = msgspec.json.decode(row.evidence)
    return ComparedInsight(row.id, row.kind, row.entity, content)


def row_of(insight: Insight) -> InsightRow:
    """The row that the writer to Postgres would make of an insight."""
    row = read_insight(encode_insight(insight), _NOWHERE)
    assert isinstance(row, InsightRow), "what we encode can be read"
    return row


class Shadow:
    """The insights of a shadow run, on disk, so that a week of them fits; and what they come to beside the live ones.

    Use it as a context: `add` those of the shadow, then `compare` each live one, then `finish`.
    """

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="ubi-shadow-")  # noqa: SIM115 - closed with the context
        self._places: dict[bytes, tuple[int, int]] = {}
        self._compared: set[bytes] = set()
        self._end = 0
        self.kinds: dict[str, ComparedCounts] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def add(self, one: ComparedInsight) -> None:
        """Take in an insight of the shadow run."""
        if one.id.bytes in self._places:
            return
        content = msgspec.msgpack.encode(one)
        self._file.write(content)
        self._places[one.id.bytes] = (self._end, len(content))
        self._end += len(content)
        self._counts(one).shadow += 1

    def compare(self, live: ComparedInsight) -> InsightDifference | None:
        """Compare a live insight with the shadow's; None if they are the same, or it was compared before."""
        key = live.id.bytes
        if key in self._compared:
            return None  # delivery to the topic is at least once
        self._compared.add(key)
        counts = self._counts(live)
        counts.live += 1
        if key not in self._places:
            counts.missing += 1
            return InsightDifference("missing", live.id, live.kind, live.entity, live=live.content)
        shadow = self._read(key)
        fields = [name for name in COMPARED if shadow.content[name] != live.content[name]]
        if not fields:
            counts.same += 1
            return None
        counts.changed += 1
        for name in fields:
            counts.changed_fields[name] = counts.changed_fields.get(name, 0) + 1
        before, after = ({name: one.content[name] for name in fields} for one in (live, shadow))
        return InsightDifference("changed", live.id, live.kind, live.entity, live=before, shadow=after)

    def finish(self) -> Iterator[InsightDifference]:
        """What only the shadow says, in its order."""
        for key in [key for key in self._places if key not in self._compared]:
            one = self._read(key)
            self._counts(one).additional += 1
            yield InsightDifference("additional", one.id, one.kind, one.entity, shadow=one.content)

    def _read(self, key: bytes) -> ComparedInsight:
        start, length = self._places[key]
        self._file.seek(start)
        one = msgspec.msgpack.decode(self._file.read(length), type=ComparedInsight)
        self._file.seek(self._end)
        return one

    def _counts(self, one: ComparedInsight) -> ComparedCounts:
        return self.kinds.setdefault(one.kind, ComparedCounts())

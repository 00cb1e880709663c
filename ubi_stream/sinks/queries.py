"""What the views read from Postgres: insights page by page.

Every function takes a pool or a connection and returns frozen structs, which `msgspec.json.encode` turns into JSON.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import msgspec

from ubi_stream.errors import UbiError

MAX_PAGE = 500
"""Most insights of one page."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR = struct.Struct(">q16s")


class InvalidQueryError(UbiError, ValueError):
    """What was asked for makes no sense: a cursor that no page gave, a limit out of range, text that can't be text."""


class Database(Protocol):
    """What a query needs: an asyncpg pool or connection."""

    async def fetch(self, query: str, /, *args: object) -> list[Any]: ...


class Cursor(NamedTuple):
    """Place between two insights in the order of `newest_insights`: after the insight of this time and id."""

    at: datetime
    id: UUID

    def encode(self) -> str:
        """Opaque text, fit for a URL."""
        return base64.urlsafe_b64encode(_CURSOR.pack((self.at - _EPOCH) // _MICROSECOND, self.id.bytes)).decode()

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Read back what `encode` gave.

        >>> cursor = Cursor(datetime(2019, 10, 1, tzinfo=UTC), UUID(int=7))
        >>> Cursor.decode(cursor.encode()) == cursor
        True

        Raises
        ------
        InvalidQueryError
            The text is anything else.
        """
        try:
            microseconds, id_bytes = _CURSOR.unpack(base64.b64decode(text.encode(), altchars=b"-_", validate=True))
            return cls(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=id_bytes))
        except (binascii.Error, UnicodeEncodeError, struct.error, OverflowError) as error:
            raise InvalidQueryError("The cursor is not one that a page of insights gave") from error


class InsightFilter(msgspec.Struct, frozen=True):
    """Which insights; None is any. `since` is included, `until` is not; both need a time zone.

    `session_id` is that of the causing event, `segment` the user's at that time; without a confidence, no insight is
    among those of `min_confidence`.
    """

    kind: str | None = None
    severity: str | None = None
    user_id: str | None = None
    pack: str | None = None
    entity: str | None = None
    label: str | None = None
    session_id: str | None = None
    segment: str | None = None
    trace_id: str | None = None
    min_confidence: float | None = None
    since: datetime | None = None
    until: datetime | None = None


class StoredInsight(msgspec.Struct, frozen=True):
    """One insight as it is in the database; explanation and evidence are JSON as written."""

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
    explanation: msgspec.Raw
    evidence: msgspec.Raw
    model_version: str
    trace_id: str | None
    source_topic: str
    source_partition: int
    source_offset: int
    recorded_at: datetime


class InsightPage(msgspec.Struct, frozen=True):
    """Insights, newest first, and the cursor of the next page; None on the last one."""

    insights: tuple[StoredInsight, ...]
    next_cursor: str | None


_FIELDS = ", ".join(StoredInsight.__struct_fields__)


async def newest_insights(
    database: Database, wanted: InsightFilter, *, limit: int = 50, cursor: str | None = None
) -> InsightPage:
    """One page of the insights that pass the filter, newest first, then by id.

    Pages neither repeat nor skip an insight when new ones arrive in between, and a deep page costs what the first
    one does: the next page starts from a place in the index, not from a count.

    Parameters
    ----------
    limit
        Insights of the page, 1 to `MAX_PAGE`.
    cursor
        `next_cursor` of the page before.

    Raises
    ------
    InvalidQueryError
        The cursor is not such a cursor, the limit is out of range, or a filter's text has a NUL in it.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidQueryError(f"limit is {limit}; expected 1 to {MAX_PAGE}")
    conditions, values = _conditions(wanted)
    if cursor is not None:
        after = Cursor.decode(cursor)
        values += [after.at, after.id]
        # The first half bounds the index scan; the second one leaves out what the page before has shown.
        at, insight_id = f"${len(values) - 1}", f"${len(values)}"
        conditions.append(f"at <= {at} AND (at < {at} OR id > {insight_id})")
    values.append(limit + 1)  # one more tells whether there is a next page
    rows = await database.fetch(
        f"SELECT {_FIELDS} FROM insights {_where(conditions)} ORDER BY at DESC, id LIMIT ${len(values)}", *values
    )
    insights = tuple(_insight(row) for row in rows[:limit])
    more = len(rows) > limit
    return InsightPage(insights, Cursor(insights[-1].at, insights[-1].id).encode() if more else None)


async def insights_of(
    database: Database, user_id: str, *, entity: str = "user", limit: int = 50, cursor: str | None = None
) -> InsightPage:
    """One page of the insights about one entity, newest first; parameters and errors as `newest_insights`."""
    return await newest_insights(database, InsightFilter(user_id=user_id, entity=entity), limit=limit, cursor=cursor)


_COMPARED: Final = {
    "since": "at >=",
    "until": "at <",
    "min_confidence": "confidence >=",
    "session_id": "evidence ->> 'session_id' =",
    "segment": "evidence ->> 'segment' =",
}
"""What a filter compares, where that is not the column of its name for equality."""


def _conditions(wanted: InsightFilter) -> tuple[list[str], list[object]]:
    """SQL of the filters that are set (only these, so that the planner sees which index fits), and their values."""
    conditions: list[str] = []
    values: list[object] = []
    for name, value in msgspec.structs.asdict(wanted).items():
        if isinstance(value, str) and not _storable(value):
            raise InvalidQueryError(f"{name} has a character that no text in the database has")
        if value is not None:
            values.append(value)
            conditions.append(f"{_COMPARED.get(name, f'{name} =')} ${len(values)}")
    return conditions, values


def _storable(text: str) -> bool:
    """Whether Postgres could have such a text: no NUL, no lone surrogate."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


def _where(conditions: list[str]) -> str:
    return "WHERE " + " AND ".join(conditions) if conditions else ""


def _insight(row: Mapping[str, Any]) -> StoredInsight:
    fields = dict(row)
    for name in ("explanation", "evidence"):
        fields[name] = msgspec.Raw(fields[name].encode())
    return StoredInsight(**fields)

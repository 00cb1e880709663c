"""What the views read of visits: single ones, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from ubi_stream.sinks.queries import MAX_PAGE, Cursor, Database, InvalidQueryError


class VisitFilter(msgspec.Struct, frozen=True):
    """Which visits, by their end; None is any. `since` is included, `until` is not; `segment` is the visit's class.

    `user_id` is the id of an entity of the kind `entity`.
    """

    user_id: str | None = None
    segment: str | None = None
    session_id: str | None = None
    pack: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    entity: str = "user"


class StoredVisit(msgspec.Struct, frozen=True):
    """One visit as it is in the database. All but the last six fields are those of `user_behavior_segments`."""

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
    recommendations: msgspec.Raw
    action_priority: int | None
    processing_time: datetime
    id: UUID
    pack: str
    criteria_met: msgspec.Raw
    segment: str | None
    usual_events: float | None
    usual_duration_minutes: float | None

    def behavior_row(self) -> dict[str, Any]:
        """The fields that the view `user_behavior_segments` has, and no others."""
        return {name: getattr(self, name) for name in _BEHAVIOR_FIELDS}


_FIELDS: Final = StoredVisit.__struct_fields__
_BEHAVIOR_FIELDS: Final = _FIELDS[: _FIELDS.index("id")]


class VisitPage(msgspec.Struct, frozen=True):
    """Visits, the newest end first, and the cursor of the next page; None on the last one."""

    visits: tuple[StoredVisit, ...]
    next_cursor: str | None


async def newest_visits(
    database: Database, wanted: VisitFilter, *, limit: int = 50, cursor: str | None = None
) -> VisitPage:
    """One page of the visits that pass the filter, the newest end first, then by id; errors as `newest_insights`."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidQueryError(f"limit is {limit}; expected 1 to {MAX_PAGE}")
    conditions, values = _conditions(wanted)
    if cursor is not None:
        after = Cursor.decode(cursor)
        values += [after.at, after.id]
        at, visit_id = f"${len(values) - 1}", f"${len(values)}"
        conditions.append(f"session_end <= {at} AND (session_end < {at} OR id > {visit_id})")
    values.append(limit + 1)  # one more tells whether there is a next page
    rows = await database.fetch(
        f"SELECT {', '.join(_FIELDS)} FROM visits {_where(conditions)} "
        f"ORDER BY session_end DESC, id LIMIT ${len(values)}",
        *values,
    )
    visits = tuple(_visit(row) for row in rows[:limit])
    more = len(rows) > limit
    return VisitPage(visits, Cursor(visits[-1].session_end, visits[-1].id).encode() if more else None)


_COLUMNS: Final = {
    "segment": "behavior_segment =",
    "session_id": "user_session =",
    "since": "session_end >=",
    "until": "session_end <",
}


def _conditions(wanted: VisitFilter) -> tuple[list[str], list[object]]:
    """SQL of the filters that are set (only these, so that the planner sees which index fits), and their values."""
    found = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
    conditions = [f"{_COLUMNS.get(name, f'{name} =')} ${number}" for number, name in enumerate(found, start=1)]
    return conditions, list(found.values())


def _where(conditions: list[str]) -> str:
    return "WHERE " + " AND ".join(conditions) if conditions else ""


def _visit(row: Mapping[str, Any]) -> StoredVisit:
    fields = dict(row)
    for name in ("recommendations", "criteria_met"):
        fields[name] = msgspec.Raw(fields[name].encode())
    return StoredVisit(**fields)

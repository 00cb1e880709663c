"""Users as their visits show them: who was there last, and what they come to."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ubi_stream.sinks.queries import Database


class UserRow(msgspec.Struct, frozen=True):
    """One user as of the end of the newest visit.

    `segment` is that of the user over time, `visit_class` that of the visit; both None where the pack has none.
    `amount_30d` is in the pack's unit of money, over the 30 days before the newest visit's end.
    """

    user_id: str
    segment: str | None
    visit_class: str | None
    last_visit_end: datetime
    visits_30d: int
    amount_30d: float


async def newest_users(database: Database, *, segment: str | None, limit: int) -> list[UserRow]:
    """Users whose visits ended last, newest first.

    Parameters
    ----------
    segment
        Those of this segment alone.
    limit
        At most so many.
    """
    rows = await database.fetch(
        "WITH newest AS (SELECT DISTINCT ON (user_id) user_id, segment, behavior_segment, session_end FROM visits "
        "WHERE entity = 'user' ORDER BY user_id, session_end DESC, id) "
        "SELECT newest.user_id, newest.segment, behavior_segment AS visit_class, session_end AS last_visit_end, "
        "month.visits_30d, month.amount_30d FROM newest CROSS JOIN LATERAL ("
        "SELECT count(*) AS visits_30d, coalesce(sum(total_amount), 0) AS amount_30d FROM visits "
        "WHERE entity = 'user' AND visits.user_id = newest.user_id "
        "AND visits.session_end > newest.session_end - interval '30 days') "
        "AS month WHERE $1::text IS NULL OR newest.segment = $1 ORDER BY session_end DESC, user_id LIMIT $2",
        segment,
        limit,
    )
    return [UserRow(**dict(row)) for row in rows]

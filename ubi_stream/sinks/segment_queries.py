"""What the views read of classes: users by their present segment, visits by class over time, and their funnel.

Rates of visits are per cent, as in their records; None where the divisor is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from ubi_stream.insights.visits import percentage, quotient, rounded
from ubi_stream.insights.windows import USERS
from ubi_stream.sinks.queries import Database, InvalidQueryError

MAX_BUCKETS: Final = 10_000
"""Most buckets of one answer: a month of five minutes."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Buckets begin at whole multiples of their width since then."""


class SegmentShare(msgspec.Struct, frozen=True):
    """Active users of one segment, and their share of all, in [0, 1]."""

    segment: str
    count: int
    share: float


class SegmentCount(msgspec.Struct, frozen=True):
    """Users of one segment who were active in a bucket of time."""

    window_start: datetime
    window_end: datetime
    segment: str
    count: int


class ClassShare(msgspec.Struct, frozen=True):
    """Visits of one class that ended in a bucket of time, their different users, and their money."""

    window_start: datetime
    window_end: datetime
    behavior_segment: str | None
    session_count: int
    unique_users: int
    total_revenue: float


class ClassFunnel(msgspec.Struct, frozen=True):
    """What the visits of one class come to. Rates are of events, not of visits."""

    behavior_segment: str | None
    total_sessions: int
    unique_users: int
    total_views: int
    total_carts: int
    total_purchases: int
    avg_session_duration: float | None
    total_revenue: float
    avg_revenue_per_session: float | None
    view_to_cart_rate: float | None
    cart_to_purchase_rate: float | None
    overall_conversion_rate: float | None
    avg_order_value: float | None
    processing_time: datetime

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> ClassFunnel:
        """Rates of the sums of a class."""
        sessions, views, carts = row["total_sessions"], row["total_views"], row["total_carts"]
        purchases, revenue = row["total_purchases"], row["total_revenue"]
        return cls(
            behavior_segment=row["behavior_segment"],
            total_sessions=sessions,
            unique_users=row["unique_users"],
            total_views=views,
            total_carts=carts,
            total_purchases=purchases,
            avg_session_duration=quotient(row["total_minutes"], sessions),
            total_revenue=rounded(revenue),
            avg_revenue_per_session=quotient(revenue, sessions),
            view_to_cart_rate=percentage(carts, views),
            cart_to_purchase_rate=percentage(purchases, carts),
            overall_conversion_rate=percentage(purchases, views),
            avg_order_value=quotient(revenue, purchases),
            processing_time=row["processing_time"],
        )


async def newest_pane(database: Database, *, pack: str, width: timedelta, entity: str = "user") -> datetime | None:
    """Start of the newest pane of a width in which users were active, open ones included; None if there is none."""
    rows = await database.fetch(
        "SELECT max(pane_start) AS newest FROM window_counts "
        "WHERE pack = $1 AND measure = $2 AND entity = $3 AND pane_ms = $4",
        pack,
        USERS,
        entity,
        _milliseconds(width),
    )
    newest: datetime | None = rows[0]["newest"]
    return newest


async def segment_shares(
    database: Database, *, pack: str, since: datetime, until: datetime, width: timedelta, entity: str = "user"
) -> list[SegmentShare]:
    """Active users by segment in the panes of a width that start in [since, until), the largest first.

    A user counts once in each pane, under the segment at the newest event there.
    """
    rows = await database.fetch(
        "SELECT key, sum(count)::bigint AS count FROM window_counts WHERE pack = $1 AND measure = $2 AND entity = $3 "
        "AND pane_start >= $4 AND pane_start < $5 AND pane_ms = $6 "
        "GROUP BY key HAVING sum(count) > 0 ORDER BY count DESC, key",
        pack,
        USERS,
        entity,
        since,
        until,
        _milliseconds(width),
    )
    total = sum(row["count"] for row in rows)
    return [SegmentShare(row["key"], row["count"], row["count"] / total) for row in rows]


async def segment_history(
    database: Database, *, pack: str, since: datetime, until: datetime, width: timedelta, entity: str = "user"
) -> list[SegmentCount]:
    """Active users by segment in each pane of a width that starts in [since, until); the oldest pane first.

    Raises
    ------
    InvalidQueryError
        There would be more than `MAX_BUCKETS` panes.
    """
    check_buckets(since, until, width)
    rows = await database.fetch(
        "SELECT pane_start, key, sum(count)::bigint AS count FROM window_counts WHERE pack = $1 AND measure = $2 "
        "AND entity = $3 AND pane_start >= $4 AND pane_start < $5 AND pane_ms = $6 "
        "GROUP BY pane_start, key HAVING sum(count) > 0 ORDER BY pane_start, key",
        pack,
        USERS,
        entity,
        since,
        until,
        _milliseconds(width),
    )
    return [SegmentCount(row["pane_start"], row["pane_start"] + width, row["key"], row["count"]) for row in rows]


async def newest_visit_end(database: Database, *, pack: str, entity: str = "user") -> datetime | None:
    """Just after the end of the newest visit, which a span up to there includes; None if there is none."""
    rows = await database.fetch(
        "SELECT max(session_end) AS newest FROM visits WHERE pack = $1 AND entity = $2", pack, entity
    )
    newest: datetime | None = rows[0]["newest"]
    return None if newest is None else newest + timedelta(milliseconds=1)


async def class_distribution(
    database: Database, *, pack: str, since: datetime, until: datetime, bucket: timedelta, entity: str = "user"
) -> list[ClassShare]:
    """Visits by class that ended in [since, until), in buckets that begin at whole multiples since 1970, UTC.

    Raises
    ------
    InvalidQueryError
        There would be more than `MAX_BUCKETS`.
    """
    check_buckets(since, until, bucket)
    rows = await database.fetch(
        "SELECT date_bin($4, session_end, $5) AS window_start, behavior_segment, count(*) AS session_count, "
        "count(DISTINCT user_id) AS unique_users, coalesce(sum(total_amount), 0) AS total_revenue FROM visits "
        "WHERE pack = $1 AND session_end >= $2 AND session_end < $3 AND entity = $6 "
        "GROUP BY window_start, behavior_segment ORDER BY window_start, session_count DESC, behavior_segment",
        pack,
        since,
        until,
        bucket,
        EPOCH,
        entity,
    )
    return [
        ClassShare(
            row["window_start"],
            row["window_start"] + bucket,
            row["behavior_segment"],
            row["session_count"],
            row["unique_users"],
            rounded(row["total_revenue"]),
        )
        for row in rows
    ]


async def class_funnel(
    database: Database, *, pack: str, since: datetime, until: datetime, entity: str = "user"
) -> list[ClassFunnel]:
    """The funnel of the visits that ended in [since, until), by class, the most visits first."""
    rows = await database.fetch(
        "SELECT behavior_segment, count(*) AS total_sessions, count(DISTINCT user_id) AS unique_users, "
        "sum(view_count) AS total_views, sum(cart_count) AS total_carts, sum(purchase_count) AS total_purchases, "
        "sum(session_duration_minutes) AS total_minutes, coalesce(sum(total_amount), 0) AS total_revenue, "
        "now() AS processing_time FROM visits "
        "WHERE pack = $1 AND session_end >= $2 AND session_end < $3 AND entity = $4 "
        "GROUP BY behavior_segment ORDER BY total_sessions DESC, behavior_segment",
        pack,
        since,
        until,
        entity,
    )
    return [ClassFunnel.of(row) for row in rows]


def check_buckets(since: datetime, until: datetime, width: timedelta) -> None:
    """Raise `InvalidQueryError` for a span of more than `MAX_BUCKETS` buckets."""
    if (until - since) / width > MAX_BUCKETS:
        raise InvalidQueryError(f"since and until are more than {MAX_BUCKETS} buckets apart; take a longer bucket")


def _milliseconds(width: timedelta) -> int:
    return width // timedelta(milliseconds=1)

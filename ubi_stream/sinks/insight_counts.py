"""What the views read of insights in numbers: how many of each severity came, over time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from ubi_stream.insights.model import InsightKind
from ubi_stream.sinks.queries import Database
from ubi_stream.sinks.segment_queries import EPOCH, check_buckets

_ANSWERS: Final = (InsightKind.LABEL.value, InsightKind.ERASURE.value)
"""Kinds that answer a person. They are not noticed in events, and their time is that of the request."""


class SeverityCount(msgspec.Struct, frozen=True):
    """Insights of one severity whose causing events happened in a bucket of time."""

    window_start: datetime
    window_end: datetime
    severity: str
    count: int


async def newest_insight_end(database: Database, *, pack: str) -> datetime | None:
    """Just after the newest insight that is counted, which a span up to there includes; None if there is none."""
    rows = await database.fetch(
        "SELECT at FROM insights WHERE pack = $1 AND kind <> ALL($2::text[]) ORDER BY at DESC LIMIT 1", pack, _ANSWERS
    )
    if not rows:
        return None
    newest: datetime = rows[0]["at"]
    return newest + timedelta(milliseconds=1)


async def insight_counts(
    database: Database, *, pack: str, since: datetime, until: datetime, bucket: timedelta
) -> list[SeverityCount]:
    """Insights by severity in buckets of [since, until) by the time of the causing event; the oldest bucket first.

    What several partitions saw, with one id, counts once: when the first saw it.

    Raises
    ------
    InvalidQueryError
        There would be more than `MAX_BUCKETS`.
    """
    check_buckets(since, until, bucket)
    rows = await database.fetch(
        "SELECT date_bin($4, at, $5) AS window_start, severity, count(*) AS count FROM ("
        "SELECT DISTINCT ON (id) at, severity FROM insights "
        "WHERE pack = $1 AND at >= $2 AND at < $3 AND kind <> ALL($6::text[]) ORDER BY id, at) AS first "
        "GROUP BY window_start, severity ORDER BY window_start, severity",
        pack,
        since,
        until,
        bucket,
        EPOCH,
        _ANSWERS,
    )
    return [
        SeverityCount(row["window_start"], row["window_start"] + bucket, row["severity"], row["count"]) for row in rows
    ]

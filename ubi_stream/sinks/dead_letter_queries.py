"""Dead letters as the database lists them: why, where, and how many."""

from __future__ import annotations

from datetime import datetime

import msgspec

from ubi_stream.sinks.queries import Database


class ListedDeadLetter(msgspec.Struct, frozen=True):
    """One dead letter; `at` is when its record came, None where the broker gave no time."""

    id: str
    reason: str
    path: str
    message: str
    source_topic: str
    source_partition: int
    source_offset: int
    at: datetime | None


_FIELDS = ", ".join(ListedDeadLetter.__struct_fields__)


async def dead_letters_by_reason(database: Database) -> dict[str, int]:
    """How many dead letters there are of each reason, most first."""
    rows = await database.fetch("SELECT reason, count(*) AS count FROM dead_letters GROUP BY reason ORDER BY 2 DESC, 1")
    return {row["reason"]: row["count"] for row in rows}


async def newest_dead_letters(database: Database, *, reason: str | None, limit: int) -> list[ListedDeadLetter]:
    """The newest dead letters, of one reason or of any."""
    rows = await database.fetch(
        f"SELECT {_FIELDS} FROM dead_letters WHERE $1::text IS NULL OR reason = $1 ORDER BY at DESC, id LIMIT $2",
        reason,
        limit,
    )
    return [ListedDeadLetter(**dict(row)) for row in rows]

"""Dead letters as the database lists them: why, where, how many, and which were sent again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from ubi_stream.sinks.queries import Database

MAX_LETTERS: Final = 1_000
"""Most dead letters of one list, or of one repair."""


class ListedDeadLetter(msgspec.Struct, frozen=True):
    """One dead letter.

    Attributes
    ----------
    at
        When its record came; None where the broker gave no time.
    dead_letter_topic, dead_letter_partition, dead_letter_offset
        Where it lies, whole; None where the database itself refused a record.
    resent_at
        When it was repaired and sent again.
    """

    id: str
    reason: str
    path: str
    message: str
    source_topic: str
    source_partition: int
    source_offset: int
    at: datetime | None
    dead_letter_topic: str | None = None
    dead_letter_partition: int | None = None
    dead_letter_offset: int | None = None
    resent_at: datetime | None = None


class DeadLetterFilter(msgspec.Struct, frozen=True):
    """Which dead letters are meant: those that fit all that is given.

    Attributes
    ----------
    ids
        These alone.
    path
        JSON path of the wrong field.
    source
        Source topic, or `collector/` and the name of a source.
    resent
        Those that were sent again, or those that were not.
    """

    ids: tuple[str, ...] = ()
    reason: str | None = None
    path: str | None = None
    source: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    resent: bool | None = None


_FIELDS = ", ".join(ListedDeadLetter.__struct_fields__)


async def dead_letters_by_reason(database: Database) -> dict[str, int]:
    """How many dead letters there are of each reason, most first."""
    rows = await database.fetch("SELECT reason, count(*) AS count FROM dead_letters GROUP BY reason ORDER BY 2 DESC, 1")
    return {row["reason"]: row["count"] for row in rows}


async def find_dead_letters(database: Database, wanted: DeadLetterFilter, *, limit: int) -> list[ListedDeadLetter]:
    """The newest dead letters that fit the filter."""
    filters: list[tuple[str, Any]] = [
        ("id = ANY({})", list(wanted.ids) or None),
        ("reason = {}", wanted.reason),
        ("path = {}", wanted.path),
        ("source_topic = {}", wanted.source),
        ("at >= {}", wanted.since),
        ("at < {}", wanted.until),
        ("(resent_at IS NOT NULL) = {}", wanted.resent),
    ]
    given = [(text, value) for text, value in filters if value is not None]
    where = " AND ".join(text.format(f"${number}") for number, (text, _) in enumerate(given, 1)) or "true"
    rows = await database.fetch(
        f"SELECT {_FIELDS} FROM dead_letters WHERE {where} ORDER BY at DESC, id LIMIT ${len(given) + 1}",
        *(value for _, value in given),
        limit,
    )
    return [ListedDeadLetter(**dict(row)) for row in rows]


async def find_repairable(database: Database, wanted: DeadLetterFilter, *, limit: int) -> list[ListedDeadLetter]:
    """The dead letters to repair: the named ones, else the newest that fit and were not sent again."""
    if wanted.ids:
        return await find_dead_letters(database, wanted, limit=min(MAX_LETTERS, len(wanted.ids)))
    return await find_dead_letters(database, msgspec.structs.replace(wanted, resent=False), limit=limit)


async def mark_resent(database: Database, ids: Sequence[str]) -> None:
    """Note that dead letters were repaired and sent again."""
    await database.fetch(
        "UPDATE dead_letters SET resent_at = now() WHERE id = ANY($1) AND resent_at IS NULL", list(ids)
    )

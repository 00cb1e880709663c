"""What the database knows of personal data: what was found, what was erased, and all rows about one entity."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from ubi_stream.insights.model import InsightKind
from ubi_stream.insights.windows import PERSONAL_DATA, WITHHELD
from ubi_stream.sinks.queries import Database

EXPORTED: Final = ("insights", "visits", "recommendations")
"""Tables with rows about entities. All have `entity`, `user_id` and `id`."""
_PAGE: Final = 1_000


class FoundData(msgspec.Struct, frozen=True):
    """Personal data that was found in one property: by which rule, what was done, and in how many records."""

    property: str
    rule: str
    action: str
    records: int
    newest: datetime


class WithheldEvents(msgspec.Struct, frozen=True):
    """Events that were counted and not kept."""

    reason: str
    events: int
    newest: datetime


class PrivacyReport(msgspec.Struct, frozen=True):
    """Counts of all partitions, from their first event on; the most frequent first."""

    pack: str
    found: list[FoundData]
    withheld: list[WithheldEvents]


class ErasureReceipt(msgspec.Struct, frozen=True):
    """Receipt of an erasure: `erased_id` is a hash of the id."""

    id: UUID
    at: datetime
    entity: str
    label: str | None
    summary: str
    evidence: msgspec.Raw


async def privacy_report(database: Database, *, pack: str) -> PrivacyReport:
    """What was found and not kept, of all partitions."""
    rows = await database.fetch(
        "SELECT measure, key, sum(count)::bigint AS count, max(amount) AS newest FROM window_counts "
        "WHERE pack = $1 AND measure = ANY($2::text[]) GROUP BY measure, key ORDER BY count DESC, key",
        pack,
        [PERSONAL_DATA, WITHHELD],
    )
    found: list[FoundData] = []
    not_kept: list[WithheldEvents] = []
    for row in rows:
        newest = datetime.fromtimestamp(row["newest"] / 1000, UTC)
        if row["measure"] == WITHHELD:
            not_kept.append(WithheldEvents(row["key"], row["count"], newest))
        else:
            name, rule, action = row["key"].rsplit("/", 2)
            found.append(FoundData(name, rule, action, row["count"], newest))
    return PrivacyReport(pack, found, not_kept)


async def receipt_of(database: Database, *, event_id: str) -> ErasureReceipt | None:
    """Receipt of the erasure with that event id; None while there is none."""
    rows = await database.fetch(
        "SELECT id, at, entity, label, summary, evidence FROM insights WHERE kind = $1 AND trace_id = $2 "
        "ORDER BY at DESC LIMIT 1",
        InsightKind.ERASURE,
        event_id,
    )
    if not rows:
        return None
    fields = dict(rows[0])
    return ErasureReceipt(**{**fields, "evidence": msgspec.Raw(fields["evidence"].encode())})


async def rows_about(database: Database, table: str, *, entity: str, user_id: str) -> AsyncIterator[bytes]:
    """All rows of a table about an entity, each as JSON, by id.

    Parameters
    ----------
    table
        One of `EXPORTED`.
    """
    assert table in EXPORTED, table
    after = UUID(int=0)
    while True:
        rows: list[Any] = await database.fetch(
            f"SELECT id, to_jsonb(found) AS document FROM {table} AS found "
            "WHERE entity = $1 AND user_id = $2 AND id > $3 ORDER BY id LIMIT $4",
            entity,
            user_id,
            after,
            _PAGE,
        )
        for row in rows:
            yield row["document"].encode()
        if len(rows) < _PAGE:
            return
        after = rows[-1]["id"]

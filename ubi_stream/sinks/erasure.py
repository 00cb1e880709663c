"""What a receipt of an erasure asks of a sink: the user's rows go, and the receipt stays without the user's id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar
from uuid import UUID

import msgspec

from ubi_stream.insights.model import InsightKind
from ubi_stream.sinks.base import InsightRow, RecommendationRow, TopicPartition, VisitErasureRow, VisitRow

Owned = TypeVar("Owned", VisitRow, RecommendationRow)
"""A record about a user, which goes with the user."""


class ErasedSubject(NamedTuple):
    """Whom rows are about."""

    entity: str
    user_id: str


class _Evidence(msgspec.Struct):
    erased_id: str = "erased"


_EVIDENCE = msgspec.json.Decoder(_Evidence)


def after_erasures(rows: Sequence[InsightRow]) -> tuple[list[InsightRow], list[ErasedSubject]]:
    """Rows of a batch without those before their user's erasure, and whose stored rows are to be deleted first.

    One user's insights are in one partition, in order. Those that a crashed worker sends again come before the receipt
    that it sends again.
    """
    last: dict[tuple[TopicPartition, ErasedSubject], int] = {}
    for row in rows:
        if row.kind == InsightKind.ERASURE:
            last[_place(row)] = max(row.position.offset, last.get(_place(row), -1))
    if not last:
        return list(rows), []
    kept = [
        _receipt(row) if row.kind == InsightKind.ERASURE else row
        for row in rows
        if row.kind == InsightKind.ERASURE or row.position.offset > last.get(_place(row), -1)
    ]
    return kept, [subject for _, subject in last]


def records_after_erasures(rows: Sequence[Owned | VisitErasureRow]) -> tuple[list[Owned], list[ErasedSubject]]:
    """The newest row of each id without those before their user's erasure, and whose stored rows go first.

    A user's records are in one partition, in order.
    """
    kept: dict[UUID, Owned] = {}
    erased: dict[ErasedSubject, None] = {}
    for row in rows:
        if isinstance(row, VisitErasureRow):
            subject = ErasedSubject(row.entity, row.user_id)
            erased[subject] = None
            for record_id in [one.id for one in kept.values() if ErasedSubject(one.entity, one.user_id) == subject]:
                del kept[record_id]
        else:
            kept[row.id] = row
    return list(kept.values()), list(erased)


def _place(row: InsightRow) -> tuple[TopicPartition, ErasedSubject]:
    return row.position.topic_partition, ErasedSubject(row.entity, row.user_id)


def _receipt(row: InsightRow) -> InsightRow:
    try:
        erased_id = _EVIDENCE.decode(row.evidence).erased_id
    except msgspec.ValidationError:
        erased_id = _Evidence().erased_id  # not as we write it: the user's id must not stay all the same
    return msgspec.structs.replace(row, user_id=erased_id)

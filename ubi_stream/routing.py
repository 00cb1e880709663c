"""Which partition an event belongs to: by its user, and by the further entities that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import isnan

from ubi_stream.effects import Forward
from ubi_stream.events.model import Event, Record
from ubi_stream.events.stage import forward_headers
from ubi_stream.features.stage import NO_ROW, Featurized
from ubi_stream.insights.model import FeatureRow
from ubi_stream.packs.plan import Plan
from ubi_stream.state.stage import StateChange


def key_by_user(
    events: Iterable[Event], records: Iterable[Record], owner_partition: Callable[[bytes], int] | None
) -> tuple[list[Event], list[Event]]:
    """Part a batch into events that are where their user's id belongs, under it as key, and strangers.

    A key that is wrong or missing, or a producer that partitions in another way (`home` tells), would spread one user's
    events over several partitions.
    """
    keys = {record.offset: record.key for record in records}
    local: list[Event] = []
    misrouted: list[Event] = []
    for event in events:
        key = event.user_id.encode()
        is_local = keys[event.offset] == key and (owner_partition is None or owner_partition(key) == event.partition)
        (local if is_local else misrouted).append(event)
    return local, misrouted


def reroute(misrouted: Iterable[Event], entity: str) -> list[Forward]:
    """Events that came under a wrong key, for their user's partition."""
    return [Forward(entity, event.user_id.encode(), event.raw, forward_headers(event)) for event in misrouted]


def fan_out(changes: Sequence[StateChange], plans: Iterable[Plan]) -> list[Forward]:
    """New events, for each further entity that they are about."""
    forwards: list[Forward] = []
    for plan in plans:
        for change in changes:
            event = change.event
            if event is None or not change.new or event.verdict is not None or change.erased is not None:
                continue  # a person's label, or an erasure, is about the entity under whose id it came
            if plan.entity.types and event.event_type not in plan.entity.types:
                continue
            entity_id = plan.entity_id(event.user_id, event.properties)
            if entity_id is not None:
                forwards.append(Forward(plan.entity.name, entity_id.encode(), event.raw, forward_headers(event)))
    return forwards


def feature_rows(batches: Iterable[Featurized], names: tuple[str, ...], plan: Plan) -> list[FeatureRow]:
    """The features of new events as records, where the pack asks for them."""
    if not plan.pack.outputs.features:
        return []
    rows = []
    for batch in batches:
        for change, row in zip(batch.changes, batch.rows, strict=True):
            if row == NO_ROW or not change.new:
                continue
            values = (None if isnan(value) else value for value in batch.values[row].tolist())
            features = dict(zip(names, values, strict=True))
            rows.append(FeatureRow(change.cause_id, plan.entity.name, change.entity_id, change.at_ms, features))
    return rows

"""Which partition an event belongs to: by its user, and by the further entities that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isnan
from operator import itemgetter

from msgspec.structs import replace

from ubi_stream.effects import Forward
from ubi_stream.events.model import Event, Record
from ubi_stream.events.stage import forward_headers
from ubi_stream.features.stage import NO_ROW, Featurized
from ubi_stream.insights.model import FeatureRow
from ubi_stream.models.scores import Scores
from ubi_stream.packs.entities import USER
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.schema import LABEL_TYPE, RESERVED_TYPES
from ubi_stream.state.progress import Progress
from ubi_stream.state.stage import StateChange


def key_by_user(
    events: Iterable[Event], records: Iterable[Record], owner_partition: Callable[[bytes], int] | None
) -> tuple[list[Event], list[Event]]:
    """Part a batch into events that are where their user's id belongs, under it as key, and strangers.

    A key that is wrong or missing, or a producer that partitions in another way (`owner_partition` tells), would spread
    one user's events over several partitions.
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


def fan_out(
    changes: Sequence[StateChange], plans: Iterable[Plan], ahead: Sequence[tuple[Plan, Event]] = ()
) -> list[Forward]:
    """New events, for each further entity that they are about; and those that go ahead to one, in their common order.

    Each partition that receives them takes what one sender forwards in the order of its offsets.
    """
    forwards: list[Forward] = []
    for plan in plans:
        found = [(event.offset, _forward(plan, event)) for to, event in ahead if to is plan]
        for change in changes:
            event = change.event
            if event is None or not change.new or event.verdict is not None or change.erased is not None:
                continue  # a person's label, or an erasure, is about the entity under whose id it came
            if event.identity is not None:
                continue  # whose profile is whose is about users, whatever else the command names
            if is_about(event, plan) and not is_scored_first(event, plan):
                found.append((event.offset, _forward(plan, event)))
        forwards += [forward for _, forward in sorted(found, key=itemgetter(0))]
    return forwards


def is_about(event: Event, plan: Plan) -> bool:
    """Whether an event is about an entity of a further kind."""
    if plan.entity.types and event.event_type not in plan.entity.types:
        return False
    return plan.entity_id(event.user_id, event.properties) is not None


def is_scored_first(event: Event, plan: Plan) -> bool:
    """Whether an event goes to an entity before its user, to take a score along; so do the labels that follow it."""
    if event.verdict is not None or not plan.exchanges or not is_about(event, plan):
        return False
    if event.event_type in RESERVED_TYPES:
        return event.event_type == LABEL_TYPE
    return any(not one.types or event.event_type in one.types for one in plan.exchanges)


def go_ahead(events: Iterable[Event], plans: Sequence[Plan]) -> tuple[list[Event], list[tuple[Plan, Event]]]:
    """Part events into those that stay, and those that another entity scores first, with its plan."""
    stay: list[Event] = []
    ahead: list[tuple[Plan, Event]] = []
    for event in events:
        plan = next((plan for plan in plans if is_scored_first(event, plan)), None)
        if plan is None:
            stay.append(event)
        else:
            ahead.append((plan, event))
    return stay, ahead


def arrivals(events: Iterable[Event], plan: Plan, progress: Progress) -> list[Event]:
    """Events of a batch that were not passed on before: each is, whatever becomes of it here. Ask before folding."""
    if not plan.exchanges:
        return []
    passed_on = dict(progress.forwarded)
    found: list[Event] = []
    for event in events:
        if not progress.is_new(event.topic, event.offset) or not is_scored_first(event, plan):
            continue
        if event.sender is not None:
            if event.sender.offset <= passed_on.get(event.sender.source, -1):
                continue
            passed_on[event.sender.source] = event.sender.offset
        found.append(event)
    return found


def shared_scores(scores: Scores, plan: Plan) -> dict[int, dict[str, float]]:
    """Scores that events take along, by their offset. While a model warms up there is none."""
    found: dict[int, dict[str, float]] = {}
    for one in plan.exchanges:
        outcome = scores.predictions.outcomes.get(one.score)
        values = outcome.delivered if outcome is not None else scores.anomaly
        for change, row in zip(scores.batch.changes, scores.batch.rows, strict=True):
            if row != NO_ROW and change.new and change.event is not None and not isnan(values[row]):
                found.setdefault(change.event.offset, {})[one.property] = float(values[row])
    return found


def pass_on(
    events: Iterable[Event], shared: Mapping[int, Mapping[str, float]], plan: Plan, plans: Sequence[Plan]
) -> list[Forward]:
    """Events with the scores that they take along: to the next entity that scores them, at the end to their user."""
    later = plans[[one.entity.name for one in plans].index(plan.entity.name) + 1 :] if plan.exchanges else ()
    forwards: list[Forward] = []
    for event in events:
        scored = replace(event, shared={**event.shared, **shared.get(event.offset, {})})
        to = next((one for one in later if is_scored_first(event, one)), None)
        if to is None:
            forwards.append(Forward(USER, event.user_id.encode(), event.raw, forward_headers(scored)))
        else:
            forwards.append(_forward(to, scored))
    return forwards


def _forward(plan: Plan, event: Event) -> Forward:
    entity_id = plan.entity_id(event.user_id, event.properties)
    assert entity_id is not None, "it is about an entity of that kind"
    return Forward(plan.entity.name, entity_id.encode(), event.raw, forward_headers(event))


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

"""What a pack's declared features cost: bytes in the state of a busy entity, and time at an event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import msgspec

from ubi_stream.features.declared import declared_values
from ubi_stream.packs.aggregations import Aggregation
from ubi_stream.packs.declared import DeclaredFeature, forms_of
from ubi_stream.packs.plan import compile_plan
from ubi_stream.packs.schema import Pack
from ubi_stream.state.aggregates import Aggregates, VisitAggregates, aggregate
from ubi_stream.state.model import UserState

EVENTS: Final = 2000
"""Of the busy entity, evenly over the window: more than most have."""
VALUES: Final = 1000
"""Different values of a property."""
_VISIT_MS: Final = 1_800_000
_START_MS: Final = 1_700_000_000_000

_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class DeclaredCost:
    """What one declared feature costs alone; features that count the same share it.

    Attributes
    ----------
    entity
        Kind of entity.
    key
        Of what is counted: equal keys are kept once.
    state_bytes
        In the state of an entity with `EVENTS` events in the window.
    us_per_event
        Processor time of one event that it is about, on this machine.
    """

    feature: DeclaredFeature
    entity: str
    key: int
    state_bytes: int
    us_per_event: float


def declared_costs(pack: Pack, *, cpu_s: Callable[[], float] = time.process_time) -> Iterator[DeclaredCost]:
    """Measure each declared feature of each kind of entity on invented events."""
    for entity in pack.entities:
        for one in pack.features:
            if entity.name in one.entities:
                yield _cost(pack.model_copy(update={"features": (one,)}), entity.name, one, cpu_s)


def _cost(pack: Pack, entity: str, one: DeclaredFeature, cpu_s: Callable[[], float]) -> DeclaredCost:
    plan = compile_plan(pack, entity)
    declared = plan.declared
    assert declared is not None, "the pack has one declared feature"
    (found,) = (aggregation for _, aggregation in declared.features)
    state = UserState()
    state.aggregates, state.session.aggregates = Aggregates(), VisitAggregates()
    empty = len(_encode((state.aggregates, state.session.aggregates)))
    events = list(_events(one, found, len(pack.events.types)))
    started_s = cpu_s()
    for properties, type_index, at_ms in events:
        aggregate(state.aggregates, state.session.aggregates, properties, type_index, at_ms, declared)
        state.last_ms = at_ms
        declared_values(state, at_ms, plan)
    spent_s = cpu_s() - started_s
    kept = len(_encode((state.aggregates, state.session.aggregates))) - empty
    return DeclaredCost(one, entity, found.key, kept, spent_s / EVENTS * 1e6)


def _events(one: DeclaredFeature, found: Aggregation, types: int) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Properties, type and time of invented events that it is about."""
    draw, span_ms = Random(1), found.window_ms or _VISIT_MS
    concerned = [index for index in range(types) if found.concerns(index)]
    conditions = {condition.property: condition.value for condition in one.where}
    for number in range(EVENTS):
        invented = {name: _value(draw, form) for name, form in forms_of(one)}
        at_ms = _START_MS + span_ms * number // EVENTS
        yield invented | conditions, draw.choice(concerned), at_ms


def _value(draw: Random, form: str) -> object:
    if form == "text":
        return f"value {draw.randrange(VALUES)}"
    return draw.random() < 0.5 if form == "flag" else round(draw.lognormvariate(3, 1), 2)

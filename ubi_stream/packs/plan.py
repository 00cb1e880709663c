"""A pack, compiled for one kind of entity: look-ups instead of lists, milliseconds instead of days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ubi_stream.packs.aggregations import DeclaredPlan, compile_declared
from ubi_stream.packs.entities import Entity, EntityParts
from ubi_stream.packs.exchanges import Exchange
from ubi_stream.packs.schema import MAX_TYPES, RESERVED_TYPES, Pack

DAY_MS = 86_400_000
OTHER_TYPE: Final = "other"
"""What unknown types are called together where the pack keeps them."""


_MAX_OPEN: Final = {"label": 16, "event": 4, "return": 4, "visit": 1}
"""Open questions of one entity, by what answers them: each holds a row of features until it is learned."""


@dataclass(frozen=True, slots=True)
class PlannedOutcome:
    """An outcome of the pack: `index` is its position, `types` are indexes, `within_ms` is 0 for a visit's.

    `max_open` is how many questions of one entity wait for their answer at a time.
    """

    index: int
    name: str
    by: str
    types: frozenset[int]
    within_ms: int
    max_open: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What the stages need to know for one entity of one pack.

    Type indexes are positions in the pack's list of event types; unknown types that the pack keeps share the index
    behind the last that a pack may have, so that new types don't take it. `priced` are the types whose money says what
    the user is about to spend: intents, conversions, and those that count as spent. `habits` says whether counts by
    day are kept for changes of behaviour.
    """

    pack: Pack
    entity: Entity
    type_index: dict[str, int]
    amount_types: frozenset[int]
    priced: frozenset[int]
    interests: tuple[int, ...]
    intents: tuple[int, ...]
    conversions: tuple[int, ...]
    amount: str | None
    latency: str | None
    category: str | None
    item: str | None
    reference: str | None
    outcome: str | None
    default_timezone: str | None
    currency: str | None
    session_gap_ms: int
    lateness_ms: int
    dormant_ms: int
    risk_ms: int
    retention_ms: int
    erased_ms: int
    dedup_ms: int
    dedup_max_ids: int
    exact: bool
    delay_ms: int
    outcomes: tuple[PlannedOutcome, ...]
    parts: EntityParts
    """Segments, visit classes, rules, outcomes and models of this kind of entity."""
    has_visits: bool
    """Whether records of its visits may be written."""
    habits: bool
    exchanges: tuple[Exchange, ...]
    """Scores of this kind of entity that events take along to their users."""
    declared: DeclaredPlan | None
    """Features that the pack declares for this kind of entity."""

    @property
    def other_type(self) -> int:
        """Index of what is not among the pack's types."""
        return MAX_TYPES

    def outcome_of(self, name: str) -> PlannedOutcome | None:
        """The outcome of that name; None where the pack has no such (any more)."""
        for outcome in self.outcomes:
            if outcome.name == name:
                return outcome
        return None

    def type_name(self, event_type: str) -> str:
        """An event's type where names must be few: as a metric's label, as the key of a count."""
        return event_type if event_type in self.type_index or event_type in RESERVED_TYPES else OTHER_TYPE

    def entity_id(self, user_id: str, properties: dict[str, object]) -> str | None:
        """Id of the entity that an event is about; None where it names none."""
        if self.entity.key is None:
            return user_id
        value = properties.get(self.entity.key)
        if isinstance(value, str) and value:
            return value
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def compile_plan(pack: Pack, entity_name: str) -> Plan:
    """Compile the plan of the entity with that name.

    Raises
    ------
    StopIteration
        The pack has no such entity: a mistake in the program, not in the pack.
    ConfigError
        Two of its declared features can't be told apart.
    """
    entity = next(entity for entity in pack.entities if entity.name == entity_name)
    roles, times, parts = pack.roles_of(entity), pack.times, pack.parts_of(entity)
    index = {name: position for position, name in enumerate(pack.events.types)}

    def positions(names: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(index[name] for name in names)

    return Plan(
        pack=pack,
        entity=entity,
        type_index=index,
        amount_types=frozenset(positions(roles.amount_types)),
        priced=frozenset(positions(roles.priced_types)),
        interests=positions(roles.interest_types),
        intents=positions(roles.intent_types),
        conversions=positions(roles.conversion_types),
        amount=roles.amount,
        latency=roles.latency,
        category=roles.category,
        item=roles.item,
        reference=roles.reference,
        outcome=roles.outcome,
        default_timezone=pack.events.default_timezone,
        currency=pack.events.currency,
        session_gap_ms=round(times.session_gap_min * 60_000),
        lateness_ms=round(times.lateness_min * 60_000),
        dormant_ms=round(times.dormant_after_days * DAY_MS),
        risk_ms=round(times.risk_days * DAY_MS),
        retention_ms=round(times.retention_days * DAY_MS),
        erased_ms=round(times.erased_days * DAY_MS),
        dedup_ms=round(times.dedup_window_h * 3_600_000),
        dedup_max_ids=times.dedup_max_ids,
        exact=entity.windows == "exact",
        delay_ms=round(entity.delay_days * DAY_MS),
        habits=parts.models.change is not None,
        outcomes=tuple(
            PlannedOutcome(
                number,
                outcome.name,
                outcome.by,
                frozenset(positions(outcome.types)),
                round((outcome.within_h or 0) * 3_600_000),
                outcome.max_open or _MAX_OPEN[outcome.by],
            )
            for number, outcome in enumerate(parts.outcomes)
        ),
        parts=parts,
        has_visits=entity.key is None or entity.visits,
        exchanges=tuple(one for one in pack.exchanges if one.entity == entity_name),
        declared=compile_declared(pack.features, entity_name, index, MAX_TYPES),
    )

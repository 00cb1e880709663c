"""What may stand in a pack file. A wrong pack is refused at start with the key, the value and what was expected."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from ubi_stream.packs.base import Currency, EventType, Model, Name, ZoneName, no_twins
from ubi_stream.packs.declared import MAX_DECLARED, Conditions, DeclaredFeature, check_declared
from ubi_stream.packs.entities import Entity, EntityParts, check_parts, parts_of
from ubi_stream.packs.exchanges import Exchange, check_exchanges
from ubi_stream.packs.models import ModelsSpec
from ubi_stream.packs.outcomes import Outcome
from ubi_stream.packs.privacy import Privacy
from ubi_stream.packs.retention import Retention
from ubi_stream.packs.roles import Roles
from ubi_stream.packs.segments import RiskRule, Segment
from ubi_stream.packs.texts import Texts
from ubi_stream.packs.visit_classes import VisitClass

LABEL_TYPE: Final = "$label"
"""Reserved type: tells what became of an earlier event. Every pack knows it."""
ERASE_TYPE: Final = "$erase"
"""Reserved type: has all forgotten that is known of its user."""
IDENTIFY_TYPE: Final = "$identify"
"""Reserved type: merges the profile of an anonymous id into its user's."""
ALIAS_TYPE: Final = "$alias"
"""Reserved type: merges the profile of one id into another's."""
SPLIT_TYPE: Final = "$split"
"""Reserved type: undoes a merge."""
MERGE_TYPE: Final = "$merge"
UNMERGE_TYPE: Final = "$unmerge"
INTERNAL_TYPES: Final = frozenset((MERGE_TYPE, UNMERGE_TYPE))
"""Written by workers for workers, on a repartition topic alone."""
IDENTITY_TYPES: Final = INTERNAL_TYPES | {IDENTIFY_TYPE, ALIAS_TYPE, SPLIT_TYPE}
RESERVED_TYPES: Final = IDENTITY_TYPES | {LABEL_TYPE, ERASE_TYPE}
"""Commands: they are no behaviour."""
ANONYMOUS_ID: Final = "anonymous_id"
PREVIOUS_ID: Final = "previous_id"
ERASED_IDS: Final = "erased_ids"
OTHER_IDS: Final = "other_ids"
IDENTITY_PROPERTIES: Final = frozenset((ANONYMOUS_ID, PREVIOUS_ID, ERASED_IDS, OTHER_IDS))
"""Properties of identity commands and erasures that are ids."""
WATERMARK: Final = "watermark_ms"
"""Property of what workers send each other: the time up to which the sender's partition is complete."""
MAX_TYPES: Final = 32
"""A pane has a number for each: more would make a user's state large."""


NOBODY: Final = (
    "undefined",
    "null",
    "(null)",
    "none",
    "nil",
    "nan",
    "n/a",
    "(not set)",
    "anonymous",
    "[object object]",
    "00000000-0000-0000-0000-000000000000",
)
"""What senders write where they know no id. Words that could be somebody's, such as 0 and guest, are not among them."""


class PropertyLimit(Model):
    """What a property must be like."""

    min: float | None = Field(None, description="Least value; the property is a number then")
    max: float | None = Field(None, description="Largest value; the property is a number then")
    required: bool = Field(False, description="An event without it is a dead letter")
    types: tuple[EventType, ...] = Field((), description="Event types that it is about; none means all")

    @model_validator(mode="after")
    def _says_something(self) -> PropertyLimit:
        if self.min is None and self.max is None and not self.required:
            raise ValueError("expected min, max or required = true: this limits nothing")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min = {self.min:g} is more than max = {self.max:g}")
        return self


class DerivedType(Model):
    """An event type that is told by properties: a `call` whose `outcome` is `answered` is a `call_answered`."""

    name: EventType
    of: EventType = Field(description="The type that such events come with")
    where: Conditions = Field(min_length=1, description="Conditions on properties, all of which must hold")


class Events(Model):
    """The events of the pack. Append new types at the end: state counts types by their position."""

    types: Annotated[tuple[EventType, ...], Field(min_length=1, max_length=MAX_TYPES)]
    unknown: Literal["dead_letter", "drop", "keep"] = "dead_letter"
    max_age_days: float = Field(7300, gt=0, description="An event older than this on arrival is a dead letter")
    default_timezone: ZoneName | None = Field(
        None, description="Zone of events that name none; without it their hour of the day is not known"
    )
    currency: Currency | None = Field(None, description="Currency of the amounts, for what people read")
    nobody: tuple[str, ...] = Field(NOBODY, description="Ids that stand for nobody, in any case")
    limits: dict[str, PropertyLimit] = Field({}, description="What properties must be like, by name")
    critical: tuple[EventType, ...] = Field((), description="Event types that the collector sends without delay")
    derived: tuple[DerivedType, ...] = Field(
        (), max_length=MAX_TYPES, description="Types that are told by properties; the first that fits"
    )
    roles: Roles = Roles()

    @model_validator(mode="after")
    def _roles_name_known_types(self) -> Events:
        no_twins("types", self.types)
        self.check_types("roles", self.roles)
        for name in RESERVED_TYPES.intersection(self.types):
            raise ValueError(f"types list {name!r}, which is reserved: every pack knows it")
        if unknown := sorted(set(self.critical) - set(self.types)):
            raise ValueError(f"critical names {unknown[0]!r}, which is not among events.types {self.types}")
        for name in self.roles.by_type:
            if name not in self.types:
                raise ValueError(f"roles.by_type names {name!r}, which is not among events.types {self.types}")
        for derived in self.derived:
            if derived.name not in self.types:
                raise ValueError(f"derived names {derived.name!r}, which is not among events.types {self.types}")
            if derived.of in RESERVED_TYPES:
                raise ValueError(f"derived {derived.name!r} is of {derived.of!r}, which is a command and no behaviour")
        for key, limit in self.limits.items():
            for name in limit.types:
                if name not in self.types:
                    raise ValueError(f"limits.{key}.types names {name!r}, which is not among events.types {self.types}")
        return self

    def check_types(self, where: str, roles: Roles) -> None:
        """Refuse roles of types that the pack does not have; `where` names them.

        Raises
        ------
        ValueError
            With the role and the type.
        """
        for role in ("amount_types", "interest_types", "intent_types", "conversion_types"):
            for name in getattr(roles, role):
                if name not in self.types:
                    raise ValueError(f"{where}.{role} names {name!r}, which is not among events.types {self.types}")


class Times(Model):
    """Spans of event time."""

    session_gap_min: float = Field(30, gt=0, le=1440, description="A silence this long ends a session")
    lateness_min: float = Field(10, ge=0, le=1440, description="How far the watermark stays behind the newest event")
    dormant_after_days: float = Field(14, gt=0, le=365, description="A silence this long makes a user dormant")
    risk_days: float = Field(
        7, gt=0, le=365, description="A user is high_risk until so long after a rule of high severity held last"
    )
    retention_days: float = Field(90, ge=1, le=3650, description="An entity silent for longer is forgotten")
    erased_days: float = Field(
        30, ge=8, le=3650, description="How long after a user's erasure events of before it are dropped on arrival"
    )
    dedup_window_h: float = Field(24, ge=0, le=8760, description="How long an event id is remembered")
    dedup_max_ids: int = Field(1000, ge=0, le=20_000, description="How many event ids are remembered per entity")

    @model_validator(mode="after")
    def _silences_grow(self) -> Times:
        if not self.session_gap_min / 1440 < self.dormant_after_days < self.retention_days:
            raise ValueError(
                f"session_gap_min = {self.session_gap_min:g} min, dormant_after_days = {self.dormant_after_days:g} d, "
                f"retention_days = {self.retention_days:g} d: each must be longer than the one before"
            )
        if self.dedup_window_h / 24 > self.retention_days:
            raise ValueError(
                f"dedup_window_h = {self.dedup_window_h:g} h is more than retention_days = {self.retention_days:g} d, "
                "after which an entity is forgotten with its event ids"
            )
        return self


class Outputs(Model):
    """What is written besides insights."""

    features: bool = Field(False, description="Write every feature vector to the features topic")
    recommendations: Literal["field", "insights"] = Field(
        "field", description="Recommendations as a field of what they are about, or as insights of their own too"
    )
    sessions: Literal["all", "several_events", "none"] = Field(
        "all", description="Write a record of every visit of a user at its end, of those of several events, or of none"
    )


class Pack(Model):
    """One domain: a file in `config/packs/`."""

    name: Name
    version: int = Field(ge=1)
    description: str = Field(min_length=1)
    events: Events
    times: Times = Times()
    entities: Annotated[tuple[Entity, ...], Field(min_length=1, max_length=8)]
    features: Annotated[tuple[DeclaredFeature, ...], Field(max_length=MAX_DECLARED)] = ()
    exchanges: Annotated[tuple[Exchange, ...], Field(max_length=8)] = ()
    segments: tuple[Segment, ...] = ()
    visit_classes: Annotated[tuple[VisitClass, ...], Field(max_length=16)] = ()
    rules: tuple[RiskRule, ...] = ()
    outcomes: Annotated[tuple[Outcome, ...], Field(max_length=8)] = ()
    models: ModelsSpec = ModelsSpec()
    outputs: Outputs = Outputs()
    privacy: Privacy = Privacy()
    retention: Retention = Retention()
    texts: Texts = Texts()

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Pack:
        if self.entities[0].name != "user" or self.entities[0].key is not None:
            raise ValueError("entities: the first must be named 'user' and have no key")
        no_twins("entities", [entity.name for entity in self.entities])
        for entity in self.entities[1:]:
            if not entity.key:
                raise ValueError(f"entities: {entity.name!r} needs a key, the property with its id")
        for entity in self.entities:
            for name in entity.types:
                if name not in (*self.events.types, LABEL_TYPE):
                    raise ValueError(f"entity {entity.name!r} lists type {name!r}, which is not among events.types")
        if self.entities[0].types:
            raise ValueError("entities: every event is about its user, so 'user' lists no types")
        return self

    @model_validator(mode="after")
    def _declared_features_count_what_there_is(self) -> Pack:
        entities = [entity.name for entity in self.entities]
        known = {name: form for entity in self.entities for name, form in self.roles_of(entity).forms.items()}
        known |= dict.fromkeys((one.property for one in self.exchanges), "number")
        check_declared(self.features, self.events.types, entities, known)
        return self

    @model_validator(mode="after")
    def _exchanges_are_of_scores(self) -> Pack:
        check_exchanges(self.exchanges, [(entity, self.parts_of(entity)) for entity in self.entities])
        for one in self.exchanges:
            for name in one.types:
                if name not in self.events.types:
                    raise ValueError(
                        f"exchange of {one.property!r} names type {name!r}, which is not among events.types"
                    )
            taken = {key for entity in self.entities for key in (entity.key, *self.roles_of(entity).forms)}
            if one.property in taken:
                raise ValueError(f"exchange of {one.property!r}: that property has a role, or an entity's id")
        return self

    @model_validator(mode="after")
    def _parts_fit_their_entities(self) -> Pack:
        entities = [entity.name for entity in self.entities]
        for table in ("segments", "visit_classes", "rules", "outcomes"):
            parts = getattr(self, table)
            no_twins(table, [part.name for part in parts])
            if lost := [part for part in parts if part.entity not in entities]:
                raise ValueError(f"{table}: {lost[0].name!r} is about {lost[0].entity!r}, which is no entity")
        if lost := [one for one in self.models.candidates if one.entity not in entities]:
            raise ValueError(f"candidate {lost[0].name!r} is about {lost[0].entity!r}, which is no entity")
        for entity in self.entities:
            roles = self.roles_of(entity)
            self.events.check_types(f"entity {entity.name!r}: roles", roles)
            spends, converts = bool(roles.amount and roles.amount_types), bool(roles.conversion_types)
            check_parts(entity, self.parts_of(entity), spends=spends, converts=converts)
        return self

    @model_validator(mode="after")
    def _outcomes_can_be_known(self) -> Pack:
        roles = self.events.roles
        labelled, retention_h = bool(roles.reference and roles.outcome), self.times.retention_days * 24
        for outcome in self.outcomes:
            outcome.check(self.events.types, labelled=labelled, retention_h=retention_h)
        names = [outcome.name for outcome in self.outcomes]
        for candidate in self.models.candidates:
            if candidate.outcome is not None and candidate.outcome not in names:
                raise ValueError(
                    f"candidate {candidate.name!r} predicts {candidate.outcome!r}, which is no outcome of the pack"
                )
        return self

    @model_validator(mode="after")
    def _texts_name_what_there_is(self) -> Pack:
        texts = self.texts
        known = {
            "entities": {entity.name for entity in self.entities},
            "segments": {segment.name for segment in self.segments},
            "outcomes": {outcome.name for outcome in self.outcomes},
            "features": {name for entity in self.entities for name in entity.features}
            | {name for rule in self.rules for name in rule.features},
        }
        for table, names in known.items():
            if unknown := sorted(set(getattr(texts, table)) - names):
                raise ValueError(f"texts.{table} names {unknown[0]!r}, which the pack does not have")
        return self

    def roles_of(self, entity: Entity) -> Roles:
        """Which property or event type plays which part for a kind of entity."""
        return self.events.roles.model_copy(update=entity.roles.model_dump(exclude_none=True))

    def parts_of(self, entity: Entity) -> EntityParts:
        """What the pack has for a kind of entity."""
        return parts_of(
            entity,
            segments=self.segments,
            visit_classes=self.visit_classes,
            rules=self.rules,
            outcomes=self.outcomes,
            models=self.models,
        )

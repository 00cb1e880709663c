"""Kinds of entities of a pack, and what the pack has for each: one kind's segments are not another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from ubi_stream.packs.base import EventType, Model, Name, no_twins
from ubi_stream.packs.candidates import CandidateModel, check_looks
from ubi_stream.packs.models import ModelsSpec
from ubi_stream.packs.outcomes import Outcome
from ubi_stream.packs.segments import RiskRule, Segment
from ubi_stream.packs.visit_classes import VisitClass, check_visit_classes

Windows = Literal["paned", "exact"]
"""Panes of 5 minutes, 1 hour and 1 day, in little space; or a log of all events of the last month."""
ModelTable = Literal["anomaly", "change", "drift", "forecast", "bandit"]
USER: Final = "user"
"""The kind of entity that every pack has, and that parts of a pack are about unless they name another."""
_OF_THE_USER: Final[tuple[ModelTable, ...]] = ("anomaly", "change", "drift", "forecast", "bandit")
_OF_OTHERS: Final[tuple[ModelTable, ...]] = ("anomaly", "change")


class EntityRoles(Model):
    """Which property or event type plays which part for one kind of entity, where that differs from `events.roles`."""

    amount: str | None = None
    amount_types: tuple[EventType, ...] | None = None
    latency: str | None = None
    category: str | None = None
    item: str | None = None
    interest_types: tuple[EventType, ...] | None = None
    intent_types: tuple[EventType, ...] | None = None
    conversion_types: tuple[EventType, ...] | None = None


class Entity(Model):
    """Whom state is kept for."""

    name: Name
    key: str | None = Field(None, description="Property with the entity's id; the user needs none")
    types: tuple[EventType, ...] = Field((), description="Event types that are about it; none means all")
    windows: Windows = "paned"
    delay_days: float = Field(0, ge=0, le=90, description="Windows end this long before the event (labels come late)")
    exact_max_events: int = Field(5000, ge=10, le=15_000, description="Events kept in exact mode; oldest go first")
    features: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)]
    anomaly_features: tuple[Name, ...] = Field(
        (), description="What the anomaly model looks at; none means all features"
    )
    roles: EntityRoles = Field(EntityRoles(), description="Roles that differ from events.roles")
    models: tuple[ModelTable, ...] | None = Field(
        None, description="Tables of [models] that run for it; none given means all for users, else anomaly and change"
    )
    visits: bool = Field(False, description="Write records of its visits too; for users outputs.sessions says so")

    @property
    def running(self) -> tuple[ModelTable, ...]:
        """Tables of `[models]` that run for it, if the pack has them."""
        if self.models is not None:
            return self.models
        return _OF_THE_USER if self.key is None else _OF_OTHERS

    @model_validator(mode="after")
    def _features_fit_together(self) -> Entity:
        no_twins("features", self.features)
        no_twins("anomaly_features", self.anomaly_features)
        for name in self.anomaly_features:
            if name not in self.features:
                raise ValueError(f"anomaly_features names {name!r}, which is not among the entity's features")
        return self


@dataclass(frozen=True, slots=True)
class EntityParts:
    """What a pack has for one kind of entity; `models` are those that run for it."""

    segments: tuple[Segment, ...]
    visit_classes: tuple[VisitClass, ...]
    rules: tuple[RiskRule, ...]
    outcomes: tuple[Outcome, ...]
    models: ModelsSpec


def parts_of(
    entity: Entity,
    *,
    segments: Sequence[Segment],
    visit_classes: Sequence[VisitClass],
    rules: Sequence[RiskRule],
    outcomes: Sequence[Outcome],
    models: ModelsSpec,
) -> EntityParts:
    """Select what is about one kind of entity."""
    own_outcomes = tuple(one for one in outcomes if one.entity == entity.name)
    names = {one.name for one in own_outcomes}

    def is_own(candidate: CandidateModel) -> bool:
        return candidate.outcome in names if candidate.outcome else candidate.entity == entity.name

    changes: dict[str, object] = {table: None for table in _OF_THE_USER if table not in entity.running}
    changes["candidates"] = tuple(candidate for candidate in models.candidates if is_own(candidate))
    return EntityParts(
        segments=tuple(one for one in segments if one.entity == entity.name),
        visit_classes=tuple(one for one in visit_classes if one.entity == entity.name),
        rules=tuple(one for one in rules if one.entity == entity.name),
        outcomes=own_outcomes,
        models=models.model_copy(update=changes),
    )


def check_parts(entity: Entity, parts: EntityParts, *, spends: bool, converts: bool) -> None:
    """Refuse parts that do not fit an entity: they name features that it lacks, or leave some of its kind without one.

    Parameters
    ----------
    spends, converts
        Whether its roles say what it spends, and what a conversion is.

    Raises
    ------
    ValueError
        With the part, and what was expected.
    """
    _check_segments(entity, parts.segments)
    check_visit_classes(parts.visit_classes)
    for rule in parts.rules:
        if rule.beyond_peers is not None and rule.beyond_peers.feature not in entity.features:
            raise ValueError(
                f"rule {rule.name!r}: beyond_peers names {rule.beyond_peers.feature!r}, which the {entity.name} entity "
                "does not list: what is typical is known of its features alone"
            )
    watched = entity.anomaly_features or entity.features
    check_looks(parts.models.candidates, entity.features, watched, entity.name)
    _check_models(entity, parts, spends=spends, converts=converts)


def _check_segments(entity: Entity, segments: Sequence[Segment]) -> None:
    of = "" if entity.key is None else f" of {entity.name!r}"
    names = {segment.name for segment in segments}
    if len([segment for segment in segments if segment.silent]) > 1:
        raise ValueError(f"segments{of}: more than one is silent")
    for segment in segments:
        for condition in (*segment.when, *segment.stay):
            if condition.feature not in entity.features:
                raise ValueError(
                    f"segment {segment.name!r} uses feature {condition.feature!r}, which the {entity.name} entity does "
                    "not list"
                )
        if unknown := sorted(set(segment.announced_from or ()) - names):
            raise ValueError(f"segment {segment.name!r}: announced_from names {unknown[0]!r}, which is no segment{of}")
    lively = [segment for segment in segments if not segment.silent]
    if segments and not (lively and not lively[-1].when):
        raise ValueError(f"segments{of}: the last must have no conditions, for everybody else")
    for segment in lively[:-1]:
        if not segment.when:
            raise ValueError(f"segment {segment.name!r} has no conditions: those behind it would never be reached")


def _check_models(entity: Entity, parts: EntityParts, *, spends: bool, converts: bool) -> None:
    forecast, bandit = parts.models.forecast, parts.models.bandit
    of = "" if entity.key is None else f" of {entity.name!r}"
    if forecast and forecast.target == "amount" and not spends:
        raise ValueError(f"models.forecast{of}: target = 'amount' needs events.roles.amount and amount_types")
    several = [segment.name for segment in parts.segments if segment.recommendations]
    if several and bandit is None:
        raise ValueError(f"segment {several[0]!r} has several recommendations: models.bandit must say how to choose")
    if bandit is None:
        return
    if unknown := [name for name in bandit.context if name not in entity.features]:
        raise ValueError(f"models.bandit: context names {unknown[0]!r}, which the {entity.name} entity does not list")
    if bandit.reward == "conversion" and not converts:
        raise ValueError(f"models.bandit{of}: reward = 'conversion' needs events.roles.conversion_types")

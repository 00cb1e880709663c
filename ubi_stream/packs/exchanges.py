"""Scores of one kind of entity as properties of its users' events: a caller's spam probability at the callee."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import Field

from ubi_stream.packs.base import EventType, Model, Name, no_twins
from ubi_stream.packs.entities import USER, Entity, EntityParts

ANOMALY: Final = "anomaly"


class Exchange(Model):
    """A score that an event takes along from another entity's partition to its user's."""

    entity: Name = Field(description="Kind of entity that is scored, such as a terminal")
    score: Name = Field(ANOMALY, description="`anomaly`, or an outcome of that entity: its probability")
    property: str = Field(min_length=1, description="Property of the event that the score becomes, in [0, 1]")
    types: tuple[EventType, ...] = Field((), description="Event types that take it along; none means all about it")


def check_exchanges(exchanges: Sequence[Exchange], entities: Sequence[tuple[Entity, EntityParts]]) -> None:
    """Refuse scores that there are not, and types that are not about the entity.

    Raises
    ------
    ValueError
        With the exchange, and what was expected.
    """
    no_twins("exchanges: properties", [one.property for one in exchanges])
    parts = {entity.name: (entity, of_it) for entity, of_it in entities}
    for one in exchanges:
        where = f"exchange of {one.property!r}"
        if one.entity == USER or one.entity not in parts:
            raise ValueError(f"{where}: entity = {one.entity!r} is no kind of entity besides the user")
        entity, of_it = parts[one.entity]
        outcomes = [outcome.name for outcome in of_it.outcomes]
        has_anomaly = [ANOMALY] if of_it.models.anomaly else []
        if one.score not in (*has_anomaly, *outcomes):
            known = ", ".join((*has_anomaly, *outcomes)) or "none"
            raise ValueError(f"{where}: score = {one.score!r}, but the scores of {entity.name!r} are: {known}")
        if entity.types and (unknown := [name for name in one.types if name not in entity.types]):
            raise ValueError(f"{where}: type {unknown[0]!r} is not about {entity.name!r}")

"""Which property or event type plays which part for the features."""

from __future__ import annotations

from typing import Final

from pydantic import Field, model_validator

from ubi_stream.packs.base import EventType, Model
from ubi_stream.packs.declared import Form

VERDICT_PROPERTIES: Final = frozenset(("label", "insight_id"))
"""Either of them makes a `$label` event a person's; so labels that the stream brings have others."""


class TypeRoles(Model):
    """Which properties play which part in events of one type, where those of the other types have other names."""

    amount: str | None = Field(None, min_length=1, description="In place of roles.amount")
    latency: str | None = Field(None, min_length=1, description="In place of roles.latency")
    category: str | None = Field(None, min_length=1, description="In place of roles.category")
    item: str | None = Field(None, min_length=1, description="In place of roles.item")
    reference: str | None = Field(None, min_length=1, description="In place of roles.reference")

    @property
    def named(self) -> dict[str, str]:
        """The property of each role that it names."""
        return {role: value for role in type(self).model_fields if (value := getattr(self, role)) is not None}


class Roles(Model):
    """Which property or event type plays which part for the features."""

    amount: str | None = Field(None, description="Property with the money of an event")
    amount_types: tuple[EventType, ...] = Field((), description="Event types whose amount counts as spent")
    latency: str | None = Field(None, description="Property with the latency in milliseconds")
    category: str | None = Field(None, description="Property with the category of what was looked at")
    item: str | None = Field(None, description="Property with the id of what was looked at: a product's")
    interest_types: tuple[EventType, ...] = Field((), description="Looking at something: the first step of the funnel")
    intent_types: tuple[EventType, ...] = Field((), description="Wanting it: the middle step of the funnel")
    conversion_types: tuple[EventType, ...] = Field((), description="Buying it: the last step of the funnel")
    reference: str | None = Field(None, description="Property that names the event for a later label (a payment's id)")
    outcome: str | None = Field(None, description="Boolean property of a `$label` event: was the referenced event bad?")
    by_type: dict[EventType, TypeRoles] = Field({}, description="Other properties of single event types")

    @property
    def priced_types(self) -> tuple[EventType, ...]:
        """Event types whose money is looked at: what is spent, and what things cost that people want."""
        return (*self.amount_types, *self.intent_types, *self.conversion_types)

    @property
    def forms(self) -> dict[str, Form]:
        """What the properties with a role are read as, where an event has one."""
        numbers: tuple[str | None, ...] = (self.amount, self.latency)
        return {name: "number" if name in numbers else "text" for name in (*numbers, self.category, self.item) if name}

    @model_validator(mode="after")
    def _labels_are_not_mistaken_for_a_persons(self) -> Roles:
        for role in ("reference", "outcome"):
            if getattr(self, role) in VERDICT_PROPERTIES:
                raise ValueError(f"{role} = {getattr(self, role)!r} is what a person's label has; name it otherwise")
        return self

    @model_validator(mode="after")
    def _types_rename_roles_that_there_are(self) -> Roles:
        for event_type, roles in self.by_type.items():
            for role in roles.named:
                if getattr(self, role) is None:
                    raise ValueError(f"by_type.{event_type}.{role} is in place of roles.{role}, which is not given")
        return self

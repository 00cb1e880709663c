"""Features that a pack declares: what to count of which events, over which window."""

from __future__ import annotations

import builtins  # a key of a pack is called `property`
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from ubi_stream.packs.base import EventType, Model, Name, Operator, no_twins

MAX_DECLARED: Final = 64
"""Declared features of a pack: each takes space in every entity's state, and time at every event."""

Kind = Literal[
    "count", "share", "sum", "mean", "max", "distinct", "weighted_sum", "rate_per_min", "decayed_sum", "last"
]
Span = Literal["visit", "5m", "1h", "24h", "7d", "30d"]
Form = Literal["number", "text", "flag"]
"""What a property is read as when an event arrives."""

_NEEDS_PROPERTY: Final = frozenset(("sum", "mean", "max", "distinct", "last"))
_MAY_WEIGH: Final = frozenset(("weighted_sum", "decayed_sum"))
_NO_PROPERTY: Final = frozenset(("count", "share", "rate_per_min"))


class Where(Model):
    """A condition on one property of an event: `{ property = "country", op = "==", value = "NO" }`."""

    property: str = Field(min_length=1)
    op: Operator = "=="
    value: bool | float | Annotated[str, Field(min_length=1)]

    @builtins.property
    def form(self) -> Form:
        """What the property is read as."""
        if isinstance(self.value, bool):
            return "flag"
        return "text" if isinstance(self.value, str) else "number"

    @model_validator(mode="after")
    def _only_numbers_have_an_order(self) -> Where:
        if self.form != "number" and self.op not in ("==", "!="):
            raise ValueError(
                f"where {self.property} {self.op} {self.value!r}: only numbers have an order; expected == or !="
            )
        return self


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


Conditions = Annotated[tuple[Where, ...], BeforeValidator(_as_list), Field(max_length=4)]
"""One condition, or a list of those that must all hold."""


class DeclaredFeature(Model):
    """One number about an entity, made of its own events."""

    name: Name
    entities: Annotated[tuple[Name, ...], Field(min_length=1)] = Field(("user",), description="Whom it is about")
    kind: Kind
    types: tuple[EventType, ...] = Field((), description="Event types that count; none means all")
    of: tuple[EventType, ...] = Field((), description="Of a share: the event types that it is a share of")
    property: str | None = Field(None, min_length=1, description="Property that is added up, or told apart")
    where: Conditions = Field((), description="Conditions on properties, all of which must hold")
    window: Span
    weights: dict[EventType, float] = Field({}, description="Weight of each event type; the others have 1")
    title: str | None = Field(None, min_length=1, max_length=100, description="What a person reads; else the name")
    unit: str | None = Field(None, min_length=1, max_length=30, description="Unit of the values")
    low: float = Field(0, description="Least value that the anomaly model tells apart")
    high: float | None = Field(None, description="Largest value that the anomaly model tells apart")
    notable: Literal["high", "low", "both", "never"] = Field("high", description="Values that an alert may rest on")

    @builtins.property
    def counted(self) -> tuple[EventType, ...]:
        """Event types that count; none means all."""
        return self.types or (tuple(self.weights) if self.kind in _MAY_WEIGH else ())

    @builtins.property
    def base(self) -> tuple[EventType, ...]:
        """Of a share, the event types that it is a share of; none means all."""
        return self.of or (self.types if self.where else ())

    @builtins.property
    def read_types(self) -> tuple[EventType, ...]:
        """Event types whose properties it reads; none means all."""
        return self.counted or self.of

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> DeclaredFeature:
        kind, where = self.kind, f"feature {self.name!r}"
        no_twins(f"{where}: types", self.types)
        no_twins(f"{where}: entities", self.entities)
        if kind in _NEEDS_PROPERTY and self.property is None:
            raise ValueError(f"{where}: kind {kind!r} needs `property`")
        if kind in _NO_PROPERTY and self.property is not None:
            raise ValueError(
                f"{where}: kind {kind!r} counts events, so it has no `property`; a condition goes in `where`"
            )
        if self.weights and kind not in _MAY_WEIGH:
            raise ValueError(f"{where}: kind {kind!r} has no `weights`; weighted_sum and decayed_sum do")
        if kind == "weighted_sum" and not self.weights:
            raise ValueError(f"{where}: kind 'weighted_sum' needs `weights`")
        if unused := sorted(set(self.weights) - set(self.counted)):
            raise ValueError(f"{where}: weights name {unused[0]!r}, which is not among its types")
        if kind == "decayed_sum" and self.window == "visit":
            raise ValueError(f"{where}: window is the half-life of a decayed_sum: expected 5m, 1h, 24h, 7d or 30d")
        if self.high is not None and self.high <= self.low:
            raise ValueError(f"{where}: high = {self.high:g} is not more than low = {self.low:g}")
        return self

    @model_validator(mode="after")
    def _share_is_a_part(self) -> DeclaredFeature:
        where = f"feature {self.name!r}"
        if self.of and self.kind != "share":
            raise ValueError(f"{where}: `of` belongs to kind 'share'")
        if self.kind == "share" and not self.types and not self.where:
            raise ValueError(f"{where}: a share of all events needs `types` or `where`, else it is always 1")
        if self.of and (beyond := sorted(set(self.types) - set(self.of))):
            raise ValueError(f"{where}: `of` lacks {beyond[0]!r}, which is among its types: a share is a part")
        return self


def check_declared(
    features: Sequence[DeclaredFeature], types: Sequence[EventType], entities: Sequence[str], known: dict[str, Form]
) -> None:
    """Refuse features that name what the pack does not have, or read one property in two ways.

    Parameters
    ----------
    features
        The pack's.
    types, entities
        Event types and kinds of entities of the pack.
    known
        Properties that have a role, and what that reads them as.

    Raises
    ------
    ValueError
        With the feature, and what was expected.
    """
    for entity in entities:
        no_twins(f"features of {entity!r}", [one.name for one in features if entity in one.entities])
    read_as, first = dict(known), dict.fromkeys(known, "a role")
    for one in features:
        where = f"feature {one.name!r}"
        for name in (*one.types, *one.of, *one.weights):
            if name not in types:
                raise ValueError(f"{where} names type {name!r}, which is not among events.types")
        for name in one.entities:
            if name not in entities:
                raise ValueError(f"{where} names entity {name!r}, which is not among the pack's: {', '.join(entities)}")
        for name, form in forms_of(one):
            if read_as.setdefault(name, form) != form:
                raise ValueError(
                    f"{where} reads {name!r} as a {form}, and {first[name]} as a {read_as[name]}: keep one of them"
                )
            first.setdefault(name, where)


def forms_of(feature: DeclaredFeature) -> Iterator[tuple[str, Form]]:
    """Properties that a feature reads, and as what."""
    if feature.property is not None:
        yield feature.property, "text" if feature.kind == "distinct" else "number"
    for condition in feature.where:
        yield condition.property, condition.form


def sample_of(features: Iterable[DeclaredFeature]) -> dict[str, Any]:
    """Properties of an invented event that some features are about; every condition that can hold does."""
    samples: dict[Form, Any] = {"number": 12.5, "text": "a", "flag": True}
    found: dict[str, Any] = {}
    for one in features:
        found |= {name: samples[form] for name, form in forms_of(one) if name not in found}
        found |= {condition.property: condition.value for condition in one.where if condition.op == "=="}
    return found

"""Reads the properties that a pack needs: those with a role, with the id of an entity, of its features, with limits.

Each is read here or the event is refused, so no later stage meets one that it would have to ignore in silence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import inf
from typing import Any, NamedTuple

from ubi_stream.events.fields import IdReader, missing_or_wrong, refuse, short
from ubi_stream.events.numbers import MAX_AMOUNT, read_flag, read_number
from ubi_stream.packs.declared import DeclaredFeature, Form, forms_of
from ubi_stream.packs.roles import Roles
from ubi_stream.packs.schema import RESERVED_TYPES, Events
from ubi_stream.reasons import DeadLetterReason as Reason


class _Bounds(NamedTuple):
    name: str
    least: float
    most: float
    required: bool


class PropertyReader:
    """Reads the properties of one pack's events, in place.

    Parameters
    ----------
    events
        The pack's events.
    entity_keys
        Properties that hold the id of a further entity: absent, or an id like the user's.
    ids
        Reads ids.
    declared
        Features that the pack declares.
    further_roles
        Roles of single kinds of entities, where they differ from those of the events.
    """

    def __init__(
        self,
        events: Events,
        entity_keys: Collection[str],
        ids: IdReader,
        declared: Collection[DeclaredFeature] = (),
        further_roles: Collection[Roles] = (),
    ) -> None:
        roles = events.roles
        self._roles = roles
        self._priced = frozenset(roles.priced_types) if roles.amount else frozenset()
        self._names = tuple(name for name in (roles.category, roles.item) if name is not None)
        self._renamed = {
            event_type: tuple(
                (role, getattr(roles, role), name)
                for role, name in own.named.items()
                if role != "amount" or event_type in self._priced
            )
            for event_type, own in roles.by_type.items()
        }
        self._ids = ids
        self._entity_keys = tuple(entity_keys)
        self._of_any_type = _forms_of(None, declared, further_roles)
        self._of_features = {name: _forms_of(name, declared, further_roles) for name in events.types}
        self._limits = {
            event_type: tuple(
                _Bounds(
                    name,
                    -inf if limit.min is None else limit.min,
                    inf if limit.max is None else limit.max,
                    limit.required,
                )
                for name, limit in events.limits.items()
                if not limit.types or event_type in limit.types
            )
            for event_type in events.types
        }

    def read(self, event_type: str, properties: dict[str, Any]) -> None:
        """Read what this type of event needs: numbers become floats, ids text. An empty text is an absent value.

        Raises
        ------
        RefusedError
            A property is wrong, or absent although it is required.
        """
        for key in self._entity_keys:
            self._read_id(properties, key)
        if event_type in RESERVED_TYPES:
            return
        for role, usual_name, name in self._renamed.get(event_type, ()):
            self._read_role(properties, role, name)
            _put(properties, usual_name, properties.get(name))
        roles = self._roles
        if event_type in self._priced and roles.amount is not None:
            self._read_number(properties, roles.amount)
        if roles.latency is not None:
            self._read_number(properties, roles.latency)
        if roles.reference is not None:
            self._read_id(properties, roles.reference)
        for name in self._names:
            _read_name(properties, name)
        for name, form in self._of_features.get(event_type, self._of_any_type):
            self._read_form(properties, name, form)
        for limit in self._limits.get(event_type, ()):
            _check(properties, limit)

    def read_label(self, properties: dict[str, Any]) -> None:
        """Read what a label that the stream brings says, and about what: unread, it would be learned as a no.

        Raises
        ------
        RefusedError
            One of the two is absent, or wrong.
        """
        roles = self._roles
        if roles.reference is None or roles.outcome is None:
            return
        self._read_id(properties, roles.reference)
        for name in (roles.reference, roles.outcome):
            if properties.get(name) in (None, ""):
                refuse(
                    Reason.MISSING_FIELD, f"properties.{name}", f"{name} is missing: the label says nothing without it"
                )
        properties[roles.outcome] = read_flag(properties[roles.outcome], f"properties.{roles.outcome}")

    def _read_id(self, properties: dict[str, Any], name: str) -> None:
        if name in properties:
            _put(properties, name, self._ids.optional(properties[name], f"properties.{name}"))

    def _read_role(self, properties: dict[str, Any], role: str, name: str) -> None:
        """Read a property that a type of event has in place of the usual one."""
        if role in ("amount", "latency"):
            self._read_number(properties, name)
        elif role == "reference":
            self._read_id(properties, name)
        else:
            _read_name(properties, name)

    def _read_form(self, properties: dict[str, Any], name: str, form: Form) -> None:
        """Read a property of a declared feature."""
        if form == "number":
            self._read_number(properties, name)
        elif form == "text":
            _read_name(properties, name)
            _put(properties, name, properties.get(name) or None)
        elif (value := properties.get(name)) is not None:
            _put(properties, name, None if value == "" else read_flag(value, f"properties.{name}"))

    @staticmethod
    def _read_number(properties: dict[str, Any], name: str) -> None:
        value = properties.get(name)
        if type(value) is not float or not -MAX_AMOUNT <= value <= MAX_AMOUNT:
            blank = value is None or value == ""
            _put(properties, name, None if blank else read_number(value, f"properties.{name}"))


def _forms_of(
    event_type: str | None, declared: Iterable[DeclaredFeature], further_roles: Iterable[Roles]
) -> tuple[tuple[str, Form], ...]:
    """Properties that an event of a type needs for features and for roles of single kinds; None is any other type."""
    found: dict[str, Form] = {}
    for one in declared:
        if not one.read_types or event_type in one.read_types:
            found.update(forms_of(one))
    for roles in further_roles:
        is_priced = event_type in roles.priced_types
        found |= {name: form for name, form in roles.forms.items() if is_priced or name != roles.amount}
    return tuple(found.items())


def _put(properties: dict[str, Any], name: str, value: Any) -> None:
    """Set a property, or leave it out where it says nothing."""
    if value is None:
        properties.pop(name, None)
    else:
        properties[name] = value


def _read_name(properties: dict[str, Any], name: str) -> None:
    value = properties.get(name)
    if value is None or type(value) is str:
        return
    if type(value) is not int and type(value) is not float:
        missing_or_wrong(value, f"properties.{name}", "a string or a number")
    properties[name] = str(int(value)) if type(value) is float and value.is_integer() else str(value)


def _check(properties: dict[str, Any], limit: _Bounds) -> None:
    """Compare a property with its limit."""
    name, least, most, required = limit
    value, field = properties.get(name), f"properties.{name}"
    if value is None or value == "":
        if required:
            refuse(Reason.MISSING_FIELD, field, f"{name} is missing: the pack requires it")
        return
    if least == -inf and most == inf:
        return
    if not least <= read_number(value, field) <= most:
        bounds = (
            f"at least {least:g}" if most == inf else f"at most {most:g}" if least == -inf else f"{least:g} to {most:g}"
        )
        refuse(Reason.INVALID_VALUE, field, f"{name} is {short(value)}, {bounds} was expected")

"""Event types that are told by properties: a `call` whose `outcome` is `answered` is a `call_answered`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ubi_stream.events.fields import missing_or_wrong
from ubi_stream.events.numbers import read_flag, read_number
from ubi_stream.packs.base import COMPARE
from ubi_stream.packs.declared import Where
from ubi_stream.packs.schema import DerivedType


class TypeDeriver:
    """Tells the types of events by their properties."""

    def __init__(self, derived: Iterable[DerivedType]) -> None:
        self._by_type: dict[str, list[DerivedType]] = {}
        for one in derived:
            self._by_type.setdefault(one.of, []).append(one)

    def type_of(self, event_type: str, properties: Any) -> str:
        """Return the first derived type whose conditions all hold; the type as it came where none do.

        Raises
        ------
        RefusedError
            A property that a condition is about can't be read.
        """
        if event_type in self._by_type and type(properties) is dict:
            for one in self._by_type[event_type]:
                if all(_holds(condition, properties) for condition in one.where):
                    return one.name
        return event_type


def _holds(condition: Where, properties: Mapping[str, Any]) -> bool:
    name = condition.property
    value, field = properties.get(name), f"properties.{name}"
    if value is None or value == "":
        return False
    if condition.form == "number":
        value = read_number(value, field)
    elif condition.form == "flag":
        value = read_flag(value, field)
    elif type(value) is int:
        value = str(value)
    elif type(value) is not str:
        missing_or_wrong(value, field, "a string")
    return bool(COMPARE[condition.op](value, condition.value))

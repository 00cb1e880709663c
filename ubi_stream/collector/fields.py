"""Reads single fields of a call: null and blank are absent, whole numbers are ids too."""

from __future__ import annotations

from typing import Any


def id_of(value: object) -> str | None:
    """An id as text; None where it is absent, blank, or no id.

    >>> id_of(17), id_of(" "), id_of(None), id_of(True)
    ('17', None, None, None)
    """
    if isinstance(value, str):
        return value if value.strip() else None
    return str(value) if type(value) is int else None


def object_of(value: object) -> dict[str, Any]:
    """An object; an empty one where it is none."""
    return value if isinstance(value, dict) else {}


def without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    """The fields that say something."""
    return {name: value for name, value in values.items() if value is not None}

"""Packs that say only what is different from another: a translation, a shop's own thresholds."""

from __future__ import annotations

from typing import Any

Table = dict[str, Any]


def overlaid(base: Table, changes: Table) -> Table:
    """A pack's content with changes.

    Tables are merged; of two lists of tables those with the same `name` are, and others come behind; any other value
    takes the place of the one before.

    Examples
    --------
    >>> overlaid({"rules": [{"name": "slow", "cool_down_min": 5}], "version": 1}, {"rules": [{"name": "slow", "a": 1}]})
    {'rules': [{'name': 'slow', 'cool_down_min': 5, 'a': 1}], 'version': 1}
    """
    return base | {key: _merged(base.get(key), value) for key, value in changes.items()}


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return overlaid(old, new)
    if _are_named(old) and _are_named(new):
        changes = {part["name"]: part for part in new}
        kept = [overlaid(part, changes.pop(part["name"], {})) for part in old]
        return [*kept, *changes.values()]
    return new


def _are_named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(part, dict) and "name" in part for part in value)

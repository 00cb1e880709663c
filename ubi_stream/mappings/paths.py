r"""Where a value is: a column's name, or a path into the JSON that it holds.

`properties.price` is the field `price` in `properties`; `items[0].id` looks into the first of a list, and
`params[key=page].value` into the first of a list whose `key` is `page`. `\.` is a dot in a name. A column that has the
whole text for its name is meant first. JSON text inside a column is read on the way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import msgspec

_STEP: Final = re.compile(r"((?:\\.|[^.\[\\])*)((?:\[[^\]]*\])*)(?:\.|$)")
_SELECTOR: Final = re.compile(r"\[([^\]]*)\]")
_TEXTS: Final = 16
"""JSON texts whose content is remembered: several properties are read from the one of a row."""

Step = str | int | tuple[str, str]


def steps_of(path: str) -> tuple[Step, ...]:
    r"""Steps of a path: a field's name, the index in a list, or the field and content that mark an object of a list.

    What is no path is a name: `price [EUR]`.

    >>> steps_of(r"a.b\.c[0].params[key=page].value")
    ('a', 'b.c', 0, 'params', ('key', 'page'), 'value')
    >>> steps_of("price [EUR]")
    ('price [EUR]',)
    """
    steps: list[Step] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        selectors = [] if match is None else _SELECTOR.findall(match[2])
        if match is None or match.end() == at or not all(one.isdigit() or "=" in one for one in selectors):
            return (path,)
        if match[1]:
            steps.append(re.sub(r"\\(.)", r"\1", match[1]))
        for selector in selectors:
            field, equals, content = selector.partition("=")
            steps.append((field, content) if equals else int(selector))
        at = match.end()
    return tuple(steps) if steps and isinstance(steps[0], str) else (path,)


def root_of(path: str) -> str:
    """The column that a path begins in."""
    return str(steps_of(path)[0])


def path_reader(path: str) -> Callable[[dict[str, Any]], Any]:
    """Make the function that follows a path through the values of a row; None where it leads nowhere.

    >>> read = path_reader("payload.price")
    >>> read({"payload": {"price": 5}}), read({"payload": '{"price": 5}'}), read({"payload.price": 6}), read({})
    (5, 5, 6, None)
    """
    steps = steps_of(path)
    if steps == (path,):
        return lambda values: values.get(path)
    first, *further = steps

    def read(values: dict[str, Any]) -> Any:
        if path in values:
            return values[path]
        value = values.get(str(first))
        for step in further:
            value = _step(value, step)
        return value

    return read


def _step(value: Any, step: Step) -> Any:
    if isinstance(value, str):
        value = _json(value)
    if isinstance(step, str):
        return value.get(step) if isinstance(value, dict) else None
    if not isinstance(value, list):
        return None
    if isinstance(step, int):
        return value[step] if step < len(value) else None
    field, content = step
    return next((one for one in value if isinstance(one, dict) and str(one.get(field)) == content), None)


@lru_cache(_TEXTS)
def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None

"""A value of a mapping, compiled: what to read from a row, and how."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

from ubi_stream.events.fields import UNREADABLE
from ubi_stream.mappings.ids import hidden
from ubi_stream.mappings.paths import path_reader
from ubi_stream.mappings.specs import FileSpec, NumberSpec, Scalar, ValueSpec
from ubi_stream.mappings.values import CONVERTERS, as_string, is_of, number_reader

Values = dict[str, Any]
Getter = Callable[[Values], Any]


def is_nothing(value: Any) -> bool:
    """Whether a file or a record says nothing here: null, or no number."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def make_reader(path: str, empty: frozenset[str]) -> Getter:
    """Make the function that reads a column as it is; None where it is empty."""
    read = path_reader(path)

    def get(values: Values) -> Any:
        value = read(values)
        if isinstance(value, str):
            return value if value and value not in empty else None
        return None if is_nothing(value) else value

    return get


def make_source(spec: ValueSpec, layout: FileSpec) -> Getter:
    """Make the function that reads what a value is made of, before it is read as its type."""
    if spec.first_of is not None:
        return _first([make_source(one, layout) for one in spec.alternatives()])
    if spec.join is not None:
        parts = [make_reader(path, layout.empty) for path in spec.join]

        def joined(values: Values) -> Any:
            found = [part(values) for part in parts]
            return None if None in found else " ".join(str(as_string(value)) for value in found)

        return joined
    if spec.column is None:
        constant = spec.constant
        return lambda _values: constant
    return make_reader(spec.column, layout.empty)


def make_getter(
    spec: ValueSpec, layout: FileSpec, text: Callable[[Any], Any], count: Callable[[], None], key: bytes
) -> Getter:
    """Make the function that reads a value of an event from a row.

    Parameters
    ----------
    spec, layout
        The value, and what the mapping says of the file.
    text
        How a value becomes text where that is its type.
    count
        Called for each value that is not of its type; the event has `{"unreadable": …}` in its place.
    key
        Keys the hashes of values that are hidden.
    """
    if spec.first_of is not None:
        return _first([make_getter(one, layout, text, count, key) for one in spec.alternatives()])
    source = make_source(spec, layout)
    if spec.constant is not None:
        return source
    kind, rename, convert = spec.type, _renamer(spec), _converter(spec, layout, text)
    if kind == "string" and rename is None and not spec.hash:

        def get_text(values: Values) -> Any:
            value = source(values)
            return value if value is None or isinstance(value, str) else text(value)

        return get_text

    def get(values: Values) -> Any:
        value = source(values)
        if value is None:
            return None
        if rename is not None and (name := rename(value)) is not None:
            return name
        converted = convert(value)
        if is_of(converted, kind) and not (spec.hash and not isinstance(converted, str)):
            return hidden(key, converted) if spec.hash else converted
        count()
        return {UNREADABLE: converted}

    return get


def _first(getters: Sequence[Getter]) -> Getter:
    def get(values: Values) -> Any:
        return next((value for getter in getters if (value := getter(values)) is not None), None)

    return get


def _renamer(spec: ValueSpec) -> Callable[[Any], Scalar | None] | None:
    """What replaces some contents: by the whole text, then by the first regular expression that is found in it."""
    if not spec.values and not spec.matches:
        return None
    patterns = [(re.compile(pattern), name) for pattern, name in spec.matches.items()]

    def rename(value: Any) -> Scalar | None:
        text = as_string(value)
        if not isinstance(text, str):
            return None
        if text in spec.values:
            return spec.values[text]
        return next((name for pattern, name in patterns if pattern.search(text)), None)

    return rename


def _converter(spec: ValueSpec, layout: FileSpec, text: Callable[[Any], Any]) -> Callable[[Any], Any]:
    if spec.type == "string":
        return text
    if spec.type != "number":
        return CONVERTERS[spec.type]
    number: NumberSpec | None = spec.number or layout.number
    read = CONVERTERS["number"] if number is None else number_reader(number.decimal, number.thousands, number.signs)
    if spec.scale is None:
        return read
    scale = spec.scale

    def scaled(value: Any) -> Any:
        converted = read(value)
        # Rounded to what a float has: 19.99 from 1999 cents, not 19.990000000000002.
        return float(f"{converted * scale:.12g}") if is_of(converted, "number") else converted

    return scaled

"""Which shipped mapping reads a file."""

from __future__ import annotations

import csv
import re
from typing import Any, Final

from ubi_stream.data.forms.sample import Sample
from ubi_stream.mappings.mapper import time_is_read
from ubi_stream.mappings.model import Mapping, load_mapping, mapping_names
from ubi_stream.mappings.paths import root_of

_MOST: Final = 0.8
"""Share of the rows that have to look as the form does: some rows of any file are broken."""


def recognise(sample: Sample) -> Mapping | None:
    """The shipped mapping that is for files of this form, with what is another in this file; None where none is.

    A table is known by its columns (`known_by`), lines by their pattern or by the number of their fields.
    """
    mapping = max(map(load_mapping, mapping_names()), key=lambda one: _weight(one, sample))
    if not _weight(mapping, sample):
        return None
    if sample.kind == "table" and not _has_no_header(mapping, sample):
        file = mapping.file.model_copy(update={"columns": None, "delimiter": sample.delimiter, "quote": '"'})
        return renamed(mapping.model_copy(update={"file": file}), mapping.name)
    return mapping


def renamed(mapping: Mapping, name: str) -> Mapping:
    """A changed mapping under the name that event ids are derived with."""
    mapping._name = name
    return mapping


def _weight(mapping: Mapping, sample: Sample) -> int:
    """How many columns a file is known by; 0 where it is none of this form."""
    layout = mapping.file
    if layout.pattern is not None:
        pattern = re.compile(layout.pattern)
        fits = sum(pattern.fullmatch(line) is not None for line in sample.lines)
        return len(pattern.groupindex) if sample.lines and fits >= _MOST * len(sample.lines) else 0
    if mapping.rows_are_events and sample.kind != "objects":
        return 0
    names = {*sample.columns, *map(root_of, sample.columns)}
    if layout.known_by and names.issuperset(layout.known_by):
        return len(layout.known_by)
    return len(layout.columns or ()) if _has_no_header(mapping, sample) else 0


def _has_no_header(mapping: Mapping, sample: Sample) -> bool:
    """Whether the lines have the fields that a mapping names, in their order, a time in its place among them."""
    columns, layout = mapping.file.columns, mapping.file
    if columns is None or sample.kind == "objects" or not sample.lines:
        return False
    is_time, is_known = time_is_read(mapping), _known_types(mapping)
    good = 0
    for fields in csv.reader(sample.lines, delimiter=layout.delimiter, quoting=csv.QUOTE_NONE):
        values: dict[str, Any] = dict(zip(columns, fields, strict=False))
        good += len(fields) == len(columns) and is_time(values) and is_known(values)
    return good >= _MOST * len(sample.lines)


def _known_types(mapping: Mapping) -> Any:
    spec = mapping.event.event_type if mapping.event is not None else None
    column, names = (None, {}) if spec is None else (spec.column, spec.values)
    return lambda values: column is None or not names or values.get(column) in names

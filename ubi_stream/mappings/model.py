"""A mapping: the small TOML file that says how a row of somebody's file, or a record of a topic, becomes an event.

`docs/mappings.md` describes every key; `specs` has the tables that a mapping is made of, `mapper` applies them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator

from ubi_stream.errors import ConfigError, likely
from ubi_stream.mappings.specs import (
    AlsoSpec,
    EventSpec,
    FileSpec,
    NumberSpec,
    Part,
    TimeSpec,
    ValueSpec,
    WhereSpec,
)
from ubi_stream.packs.base import Currency, ZoneName
from ubi_stream.resources import config_dir

_SHOWN_ERRORS: Final = 3
"""One mistake often causes more than one message; the first ones say it."""
_OF_EVERY_EVENT: Final = frozenset(("event.event_time", "event.event_type", "event.user_id"))

_DESCRIBING: Final = ("also", "context", "currency", "default_timezone", "event", "properties", "where")

NeededColumns = dict[tuple[str, ...], str]
"""Columns of which one must be there, each group with the key that needs it."""


class Mapping(Part):
    """A whole mapping file."""

    description: str = Field(min_length=1)
    pack: str | None = None
    default_timezone: ZoneName | None = None
    currency: Currency | None = None
    rows_are_events: bool = False
    file: FileSpec = FileSpec()
    where: tuple[WhereSpec, ...] = ()
    event: EventSpec | None = None
    properties: dict[str, ValueSpec] = Field(default_factory=dict)
    context: dict[str, ValueSpec] = Field(default_factory=dict)
    also: tuple[AlsoSpec, ...] = ()

    _name: str = PrivateAttr("")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        described = set(_DESCRIBING) & self.model_fields_set
        if self.rows_are_events and described:
            raise ValueError(f"rows_are_events = true takes the rows as they are: expected no {sorted(described)[0]}")
        if not self.rows_are_events and self.event is None:
            raise ValueError("expected a table [event], or rows_are_events = true")
        return self

    @property
    def name(self) -> str:
        """The file's name without its ending; part of derived event ids, so renaming a mapping changes them."""
        return self._name

    @property
    def context_defaults(self) -> dict[str, str]:
        """What the context of every event says, where the row doesn't."""
        known = {"timezone": self.default_timezone, "currency": self.currency}
        return {name: value for name, value in known.items() if value is not None}

    @property
    def events_per_row(self) -> int:
        """How many events each row of a file gives."""
        return 1 + len(self.also)

    def needed_columns(self) -> NeededColumns:
        """Columns that a file must have, of each value that may come from several of them one.

        With `missing_columns = "leave_out"` only those that every event needs.
        """
        lenient = self.file.missing_columns == "leave_out"
        found: NeededColumns = {}
        for key, paths, together in self._sources():
            if lenient and key not in _OF_EVERY_EVENT:
                continue
            for group in [(path,) for path in paths] if together else [paths]:
                found.setdefault(tuple(dict.fromkeys(group)), key)
        return {group: key for group, key in found.items() if group}

    def columns(self) -> dict[str, str]:
        """Every column that the mapping may read, with the first key that names it."""
        found: dict[str, str] = {}
        for key, paths, _ in self._sources():
            for path in paths:
                found.setdefault(path, key)
        return found

    def _sources(self) -> Iterator[tuple[str, tuple[str, ...], bool]]:
        """Each key that reads columns, which ones, and whether it needs all of them."""
        specs: list[tuple[str, ValueSpec | TimeSpec | None]] = []
        if self.event is not None:
            specs += [(f"event.{key}", getattr(self.event, key)) for key in EventSpec.model_fields]
        specs += [(f"properties.{key}", spec) for key, spec in self.properties.items()]
        specs += [(f"context.{key}", spec) for key, spec in self.context.items()]
        for at, also in enumerate(self.also):
            specs.append((f"also[{at}].event_type", also.event_type))
            specs += [(f"also[{at}].properties.{key}", spec) for key, spec in also.properties.items()]
        for key, spec in specs:
            if spec is not None:
                yield key, spec.paths(), spec.first_of is None
        for at, condition in enumerate(self.where):
            yield f"where[{at}]", (condition.column,), True


def mapping_names() -> list[str]:
    """Names of the mappings that come with the product."""
    return sorted(path.stem for path in (config_dir() / "mappings").glob("*.toml"))


def load_mapping(name_or_path: str | Path) -> Mapping:
    """Read a mapping: the name of a shipped one, or the path of a file that ends in `.toml`.

    Raises
    ------
    ConfigError
        There is no such mapping, or it is wrong; says the file, the key, the value and what was expected.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = config_dir() / "mappings" / f"{name_or_path}.toml"
        if str(name_or_path) not in mapping_names():
            raise ConfigError(
                f"mapping {str(name_or_path)!r} is unknown; {likely(str(name_or_path), mapping_names())}"
                f"expected one of {', '.join(mapping_names())}, "
                "or the path of a .toml file"
            )
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"mapping {path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"mapping {path} is not TOML: {error}") from error
    try:
        mapping = Mapping.model_validate(table)
    except ValidationError as error:
        raise ConfigError(f"mapping {path}: {_explain(error)}") from error
    mapping._name = path.stem
    return mapping


def _explain(error: ValidationError) -> str:
    """Say each mistake as key = value: what was expected."""
    mistakes = []
    for item in error.errors(include_url=False, include_context=False)[:_SHOWN_ERRORS]:
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
        if item["type"] == "missing":
            mistakes.append(f"{key} is missing: every mapping needs it")
        elif item["type"] == "extra_forbidden":
            mistakes.append(f"{key} = {item['input']!r}: unknown key; expected {_known_keys(item['loc'])}")
        else:
            expected = item["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
            expected = expected if "expected" in expected else f"expected {expected}"
            mistakes.append(f"{key} = {item['input']!r}: {expected}" if key else expected)
    return "; ".join(mistakes)


def _known_keys(loc: tuple[int | str, ...]) -> str:
    names = [part for part in loc if isinstance(part, str)]
    tables: dict[str, type[BaseModel]] = {"file": FileSpec, "event": EventSpec, "also": AlsoSpec, "where": WhereSpec}
    if names[-2:-1] == ["number"]:
        model: type[BaseModel] = NumberSpec
    elif len(names) == 1:
        model = Mapping
    elif len(names) == 2 and names[0] in tables:
        model = tables[names[0]]
    else:
        model = TimeSpec if names[-2] == "event_time" else ValueSpec
    return ", ".join(model.model_fields)

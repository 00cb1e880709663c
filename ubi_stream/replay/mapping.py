"""A mapping: the small TOML file that says how a row of somebody's file becomes an event.

`docs/mappings.md` describes every key. This module is the file's form and its errors; `transform` applies it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

from ubi_stream.errors import ConfigError
from ubi_stream.packs.base import Currency, ZoneName
from ubi_stream.replay.times import time_reader
from ubi_stream.replay.values import ColumnType, parse_duration_ms
from ubi_stream.resources import config_dir

Scalar = str | int | float | bool
_SHOWN_ERRORS = 3  # one mistake often causes more than one message; the first ones say it


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _column_or_table(value: Any) -> Any:
    if isinstance(value, str):
        return {"column": value}
    if not isinstance(value, dict | BaseModel):
        raise ValueError('expected a column\'s name, such as "price", or a table such as {column = "price"}')
    return value


class NumberSpec(_Part):
    """How numbers are written where they are text."""

    decimal: str = Field(".", min_length=1, max_length=1)
    thousands: str = Field("", max_length=1)
    signs: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.decimal == self.thousands:
            raise ValueError("expected another character for thousands than for decimal")
        for text in (self.decimal, self.thousands, *self.signs):
            if any(character.isdigit() or character in "+-" for character in text):
                raise ValueError(f"{text!r} is part of a number: expected a character that is none, such as ','")
        return self


class ValueSpec(_Part):
    """Where one value of an event comes from: a column, or a constant."""

    column: str | None = Field(None, min_length=1)
    constant: Scalar | None = None
    type: ColumnType = "string"
    number: NumberSpec | None = None
    values: dict[str, Scalar] = {}

    _shorthand = model_validator(mode="before")(_column_or_table)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.column is None) == (self.constant is None):
            raise ValueError("expected exactly one of column and constant")
        if self.constant is not None and self.model_fields_set != {"constant"}:
            raise ValueError("a constant takes no other key: expected {constant = …} alone")
        if self.number is not None and self.type != "number":
            raise ValueError('number says how a number is written: expected type = "number" beside it')
        return self


class TimeSpec(_Part):
    """Which column holds a time, and how it is written."""

    column: str = Field(min_length=1)
    format: str = "iso"
    timezone: str = "UTC"

    _shorthand = model_validator(mode="before")(_column_or_table)

    @model_validator(mode="after")
    def _readable(self) -> Self:
        time_reader(self.format, self.timezone)
        return self


class FileSpec(_Part):
    """What the reader can't see in the file itself."""

    columns: tuple[str, ...] | None = Field(None, min_length=1)
    delimiter: str = Field(",", min_length=1, max_length=1)
    quote: str = Field('"', max_length=1)
    encoding: str = "utf-8"
    empty: frozenset[str] = frozenset()
    number: NumberSpec | None = None

    @field_validator("columns")
    @classmethod
    def _distinct(cls, columns: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if columns is not None and len(set(columns)) < len(columns):
            raise ValueError("expected every column once")
        return columns

    @field_validator("delimiter", "quote")
    @classmethod
    def _is_no_line_end(cls, mark: str) -> str:
        if mark and mark in "\r\n":
            raise ValueError("expected a character that is no line end")
        return mark

    @field_validator("encoding")
    @classmethod
    def _is_text(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except LookupError as error:
            raise ValueError("expected an encoding such as utf-8, utf-16, latin-1 or cp1252") from error
        return encoding

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.delimiter == self.quote:
            raise ValueError("expected another character for quote than for delimiter")
        return self


class EventSpec(_Part):
    """The fields of the event itself."""

    event_time: TimeSpec
    event_type: ValueSpec
    user_id: ValueSpec
    event_id: ValueSpec | None = None
    session_id: ValueSpec | None = None
    trace_id: ValueSpec | None = None


class AlsoSpec(_Part):
    """A further event of the same row and user, some time later."""

    after: str
    event_type: ValueSpec
    properties: dict[str, ValueSpec] = {}

    @field_validator("after")
    @classmethod
    def _duration(cls, after: str) -> str:
        parse_duration_ms(after)
        return after

    @property
    def after_ms(self) -> int:
        """How much later than the row's own event, in milliseconds."""
        return parse_duration_ms(self.after)


class Mapping(_Part):
    """A whole mapping file."""

    description: str = Field(min_length=1)
    pack: str | None = None
    default_timezone: ZoneName | None = None
    currency: Currency | None = None
    rows_are_events: bool = False
    file: FileSpec = FileSpec()
    event: EventSpec | None = None
    properties: dict[str, ValueSpec] = {}
    context: dict[str, ValueSpec] = {}
    also: tuple[AlsoSpec, ...] = ()

    _name: str = PrivateAttr("")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        described = {"event", "properties", "context", "also", "default_timezone", "currency"} & self.model_fields_set
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

    def columns(self) -> dict[str, str]:
        """Every column that the mapping reads, with the first key that names it."""
        named: list[tuple[str, ValueSpec | TimeSpec | None]] = []
        if self.event is not None:
            named += [(f"event.{key}", getattr(self.event, key)) for key in EventSpec.model_fields]
        named += [(f"properties.{key}", spec) for key, spec in self.properties.items()]
        named += [(f"context.{key}", spec) for key, spec in self.context.items()]
        for at, also in enumerate(self.also):
            named.append((f"also[{at}].event_type", also.event_type))
            named += [(f"also[{at}].properties.{key}", spec) for key, spec in also.properties.items()]
        found: dict[str, str] = {}
        for key, spec in named:
            if spec is not None and spec.column is not None:
                found.setdefault(spec.column, key)
        return found


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
                f"mapping {str(name_or_path)!r} is unknown; expected one of {', '.join(mapping_names())}, "
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
    tables: dict[str, type[BaseModel]] = {"file": FileSpec, "event": EventSpec, "also": AlsoSpec}
    if names[-2:-1] == ["number"]:
        model: type[BaseModel] = NumberSpec
    elif len(names) == 1:
        model = Mapping
    elif len(names) == 2 and names[0] in tables:
        model = tables[names[0]]
    else:
        model = TimeSpec if names[-2] == "event_time" else ValueSpec
    return ", ".join(model.model_fields)

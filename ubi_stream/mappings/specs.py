"""The tables of a mapping file: a value, a time, what the reader needs to know, a filter, a further event."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ubi_stream.mappings.times import time_reader
from ubi_stream.mappings.values import ColumnType, parse_duration_ms

Scalar = str | int | float | bool
_SOURCES: Final = frozenset(("column", "first_of", "join", "constant"))


class Part(BaseModel):
    """A table of a mapping file: its keys are known, and it never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _column_or_table(value: Any) -> Any:
    if isinstance(value, str):
        return {"column": value}
    if not isinstance(value, dict | BaseModel):
        raise ValueError('expected a column\'s name, such as "price", or a table such as {column = "price"}')
    return value


def check_pattern(pattern: str) -> str:
    """A regular expression as it is.

    Raises
    ------
    ValueError
        It is none.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"expected a regular expression: {error}") from error
    return pattern


class NumberSpec(Part):
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


class ValueSpec(Part):
    """Where one value of an event comes from: a column, the first of several, several joined, or a constant.

    What `first_of` names without a table is read as the other keys say.
    """

    column: str | None = Field(None, min_length=1)
    first_of: tuple[str | ValueSpec, ...] | None = Field(None, min_length=1)
    join: tuple[str, ...] | None = Field(None, min_length=2)
    constant: Scalar | None = None
    type: ColumnType = "string"
    number: NumberSpec | None = None
    scale: float | None = None
    values: dict[str, Scalar] = {}
    matches: dict[str, Scalar] = {}
    hash: bool = False

    _shorthand = model_validator(mode="before")(_column_or_table)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(one is not None for one in (self.column, self.first_of, self.join, self.constant)) != 1:
            raise ValueError("expected exactly one of column and constant, or of first_of and join in their place")
        if self.constant is not None and self.model_fields_set != {"constant"}:
            raise ValueError("a constant takes no other key: expected {constant = …} alone")
        if (self.number is not None or self.scale is not None) and self.type != "number":
            raise ValueError('number and scale are about numbers: expected type = "number" beside them')
        if self.hash and self.type != "string":
            raise ValueError("hash makes a text of a value: expected no type beside it")
        for pattern in self.matches:
            check_pattern(pattern)
        return self

    def alternatives(self) -> tuple[ValueSpec, ...]:
        """Each source of its own, in the order in which they are tried."""
        if self.first_of is None:
            return (self,)
        shared = {key: getattr(self, key) for key in self.model_fields_set - _SOURCES}
        return tuple(
            inner
            for one in self.first_of
            for inner in (ValueSpec(column=one, **shared) if isinstance(one, str) else one).alternatives()
        )

    def paths(self) -> tuple[str, ...]:
        """Columns that it may be read from; none for a constant."""
        if self.first_of is not None:
            return tuple(path for one in self.alternatives() for path in one.paths())
        return self.join or (() if self.column is None else (self.column,))


class TimeSpec(Part):
    """Which column holds a time, or which several do, and how it is written."""

    column: str | None = Field(None, min_length=1)
    first_of: tuple[str, ...] | None = Field(None, min_length=1)
    join: tuple[str, ...] | None = Field(None, min_length=2)
    format: str = "iso"
    timezone: str = "UTC"

    _shorthand = model_validator(mode="before")(_column_or_table)

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if sum(one is not None for one in (self.column, self.first_of, self.join)) != 1:
            raise ValueError("expected exactly one of column, first_of and join")
        time_reader(self.format, self.timezone)
        return self

    def paths(self) -> tuple[str, ...]:
        """Columns that it may be read from."""
        return self.first_of or self.join or (self.column or "",)

    def source(self) -> ValueSpec:
        """Where its text comes from."""
        return ValueSpec(column=self.column, first_of=self.first_of, join=self.join)


class FileSpec(Part):
    """What the reader can't see in the file itself."""

    pattern: str | None = Field(None, min_length=1)
    columns: tuple[str, ...] | None = Field(None, min_length=1)
    each: str | None = Field(None, min_length=1)
    known_by: tuple[str, ...] = ()
    missing_columns: Literal["refuse", "leave_out"] = "refuse"
    delimiter: str = Field(",", min_length=1, max_length=1)
    quote: str = Field('"', max_length=1)
    encoding: str = "utf-8"
    empty: frozenset[str] = frozenset()
    number: NumberSpec | None = None

    @field_validator("pattern")
    @classmethod
    def _names_groups(cls, pattern: str | None) -> str | None:
        if pattern is not None and not re.compile(check_pattern(pattern)).groupindex:
            raise ValueError("expected named groups such as (?P<time>…): each is a column")
        return pattern

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
        if self.pattern is not None and self.columns is not None:
            raise ValueError("expected one of pattern and columns: the groups of a pattern are the columns")
        return self


class EventSpec(Part):
    """The fields of the event itself."""

    event_time: TimeSpec
    event_type: ValueSpec
    user_id: ValueSpec
    event_id: ValueSpec | None = None
    session_id: ValueSpec | None = None
    trace_id: ValueSpec | None = None


class WhereSpec(Part):
    """A filter: rows that don't fit are left out, and counted."""

    column: str = Field(min_length=1)
    one_of: tuple[Scalar, ...] | None = Field(None, min_length=1)
    none_of: tuple[Scalar, ...] | None = Field(None, min_length=1)
    matches: str | None = None
    matches_not: str | None = None

    @field_validator("matches", "matches_not")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        return None if pattern is None else check_pattern(pattern)

    @model_validator(mode="after")
    def _one_test(self) -> Self:
        if sum(one is not None for one in (self.one_of, self.none_of, self.matches, self.matches_not)) != 1:
            raise ValueError("expected exactly one of one_of, none_of, matches and matches_not")
        return self


class AlsoSpec(Part):
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

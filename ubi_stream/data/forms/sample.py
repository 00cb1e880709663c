"""The beginning of a file, read without a mapping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from ubi_stream.data.compression import COMPRESSIONS
from ubi_stream.data.readers import LogReader, open_rows
from ubi_stream.data.row_reader import is_utf8
from ubi_stream.mappings.paths import path_reader
from ubi_stream.mappings.specs import FileSpec

ROWS: Final = 2_000
"""Rows that a form is recognised by."""
_LINES: Final = 200
_DELIMITERS: Final = (",", ";", "\t", "|")
_DEPTH: Final = 4

Kind = Literal["table", "objects", "lines"]


class Sample(msgspec.Struct, frozen=True):
    """The first rows of a file.

    Attributes
    ----------
    kind
        A table with a header, JSON objects, or lines of text whose form the file's name does not say.
    lines
        The first lines of text; none of a Parquet file.
    delimiter
        What parts the fields of a table.
    encoding
        Of its text: UTF-8, or where it is none that of Western Windows.
    columns
        Names of the columns; of JSON objects the paths to every field that is no object itself.
    rows
        Values by column; none of lines.
    """

    kind: Kind
    lines: list[str]
    delimiter: str
    encoding: str
    columns: tuple[str, ...]
    rows: list[dict[str, Any]]

    def values(self, column: str) -> list[Any]:
        """What the rows have in a column, but for empty cells."""
        read = path_reader(column)
        return [value for row in self.rows if (value := read(row)) not in (None, "")]


def read_sample(path: Path) -> Sample:
    """Read the beginning of a file.

    Raises
    ------
    ConfigError
        It can't be read.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in COMPRESSIONS]
    kind = suffixes[-1] if suffixes else ""
    lines = [] if kind == ".parquet" else _first_lines(path)
    is_json = kind in (".json", ".jsonl", ".ndjson")
    encoding = "utf-8" if all(map(is_utf8, lines)) else "cp1252"
    if not is_json and kind not in (".csv", ".tsv", ".parquet"):
        return Sample("lines", lines, ",", encoding, (), [])
    delimiter = "," if is_json or not lines else _delimiter(lines)
    with open_rows(path, FileSpec(delimiter=delimiter, encoding=encoding), {}) as reader:
        rows = [row.values for row in islice(reader, ROWS) if row.values is not None]
        columns = tuple(dict.fromkeys(reader.columns or (path for row in rows for path in _paths(row))))
    return Sample("objects" if is_json else "table", lines, delimiter, encoding, columns, rows)


def _first_lines(path: Path) -> list[str]:
    with LogReader(path, FileSpec(), "(?s)(?P<line>.*)") as reader:
        return [str(row.raw) for row in islice(reader, _LINES)]


def _delimiter(lines: list[str]) -> str:
    """The mark that is in most of the first lines as often as in the header."""
    if lines[0].lower().startswith("sep=") and len(lines) > 1:
        lines = lines[1:]
    header = Counter({mark: lines[0].count(mark) for mark in _DELIMITERS})
    like = {mark: sum(line.count(mark) >= header[mark] > 0 for line in lines) for mark in _DELIMITERS}
    return max(_DELIMITERS, key=lambda mark: (like[mark], header[mark]))


def _paths(values: dict[str, Any], before: str = "", depth: int = _DEPTH) -> Iterator[str]:
    """Paths to the fields of an object and of those in it."""
    for name, value in values.items():
        path = before + (name if "." not in name or not before else name.replace(".", "\\."))
        if isinstance(value, dict) and value and depth > 1:
            yield from _paths(value, f"{path}.", depth - 1)
        else:
            yield path

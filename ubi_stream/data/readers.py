"""Streams the data rows of CSV, JSON Lines and Parquet files, plain or compressed (`.gz`, `.zst`), in constant memory.

A row that can't be read is a value, `Row(values=None, raw=…, fault=…)`; only the file as
a whole (missing, unknown, without a needed column, damaged) raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from ubi_stream.data.compression import COMPRESSIONS
from ubi_stream.data.csv_reader import CsvReader, IsRow
from ubi_stream.data.records import FileRow
from ubi_stream.data.row_reader import RowReader
from ubi_stream.errors import ConfigError
from ubi_stream.mappings.paths import root_of
from ubi_stream.mappings.specs import FileSpec

_NOT_UTF8: Final = 'not UTF-8: the mapping can say what it is under [file], such as encoding = "latin-1"'
# The pipeline's own: a number or a key that stands twice means the same in a file and on a topic.
_decode_json = msgspec.json.Decoder().decode


class LogReader(RowReader):
    """Lines of text that fit the pattern of the mapping: its named groups are the columns."""

    def __init__(self, path: Path, layout: FileSpec, pattern: str) -> None:
        super().__init__(path, layout)
        self._pattern = re.compile(pattern)

    def _rows(self) -> Iterator[FileRow]:
        for number, line in enumerate(self._text(), 1):
            raw = line.rstrip("\r\n")
            if not raw.strip():
                self.rows_skipped += 1
                continue
            match = self._pattern.fullmatch(raw)
            fault = "" if match else "the line does not fit file.pattern of the mapping"
            yield FileRow(match.groupdict() if match else None, raw, number, fault)


class JsonLinesReader(RowReader):
    """One JSON object a line, or one for each entry of a list in it (`file.each`); blank lines are no rows."""

    def _rows(self) -> Iterator[FileRow]:
        for number, line in enumerate(self._lines_of_bytes(), 1):
            raw = line.rstrip(b"\r\n")
            if not raw.strip():
                self.rows_skipped += 1
                continue
            if self.rows_read == 0:
                self._refuse_other_forms(raw.strip())
            values, fault = _object(raw)
            each = self._layout.each
            if values is None or each is None or not isinstance(items := values.get(each), list) or not items:
                yield FileRow(values, raw, number, fault)
            else:
                yield from (FileRow({**values, each: item}, raw, number) for item in items)

    def _refuse_other_forms(self, first: bytes) -> None:
        """Refuse a document over many lines: each of its lines would become a dead letter."""
        if re.match(rb"\[\s*(\{|$)", first):
            raise ConfigError(
                f"file {self.path} is one JSON array: expected one JSON object a line, without brackets around "
                "and commas between them; `jq -c '.[]'` makes it so"
            )
        if first == b"{":
            raise ConfigError(
                f"file {self.path} has a JSON object over several lines: expected one a line; `jq -c .` makes it so"
            )


def _object(raw: bytes) -> tuple[dict[str, Any] | None, str]:
    """The object of a line, or what is wrong with the line."""
    try:
        values = _decode_json(raw)
    except RecursionError:
        return None, "nested too deep"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return None, f"not valid JSON ({error})" if _is_utf8(raw) else _NOT_UTF8
    return (values, "") if isinstance(values, dict) else (None, f"a JSON {type(values).__name__}, no object")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


_CSV: Final = frozenset((".csv", ".tsv"))
_JSON: Final = frozenset((".jsonl", ".ndjson", ".json"))
_PARQUET: Final = frozenset((".parquet",))
_KINDS: Final = ".csv, .tsv, .jsonl, .ndjson, .json, .parquet"


Needed = Mapping[str, str] | Mapping[tuple[str, ...], str]


def _no_line(_values: dict[str, Any]) -> bool:
    return False


def open_rows(path: Path, layout: FileSpec, needed: Needed, is_row: IsRow = _no_line) -> RowReader:
    """Open a file of rows by its name, with `.gz` or `.zst` behind it or not.

    Parameters
    ----------
    path
        The file: `.csv`, `.tsv`, `.jsonl`, `.ndjson`, `.json` (an object a line) or `.parquet`.
    layout
        What the mapping says about it.
    needed
        Columns that must be there, or groups of which one must be, each with the key of the mapping that needs it.
    is_row
        Whether a line of a CSV file, split into as many fields as there are columns, looks like a row: it tells two
        stray quotes from a text over several lines.

    Raises
    ------
    ConfigError
        The file is missing, of an unknown kind, empty, damaged, lacks a column, or is a Parquet file without polars.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] in COMPRESSIONS else "".join(suffixes[-1:])
    if layout.pattern is not None:
        reader: RowReader = LogReader(path, layout, layout.pattern)
    elif kind in _CSV or (layout.columns is not None and kind not in _JSON | _PARQUET):
        reader = CsvReader(path, layout, is_row)
    elif kind in _JSON:
        reader = JsonLinesReader(path, layout)
    elif kind in _PARQUET:
        reader = _parquet(path)(path, layout)
    else:
        raise ConfigError(
            f"file {path} is of an unknown kind: expected a name ending in {_KINDS}, "
            f"with {' or '.join(COMPRESSIONS)} behind it or not"
        )
    try:
        _check_columns(reader, layout, needed)
    except ConfigError:
        reader.close()
        raise
    return reader


def _parquet(path: Path) -> type[RowReader]:
    if find_spec("polars") is None:
        raise ConfigError(f"file {path} is a Parquet file, which needs polars: pip install 'ubi-stream[parquet]'")
    from ubi_stream.data.parquet import ParquetReader  # noqa: PLC0415 - polars is an extra

    return ParquetReader


def _check_columns(reader: RowReader, layout: FileSpec, needed: Needed) -> None:
    """Refuse a file that lacks a column which is needed, or has it twice. Others may have any names."""
    columns = reader.columns
    if columns is None:
        return
    for wanted, key in needed.items():
        paths = (wanted,) if isinstance(wanted, str) else wanted
        found = [name for path in paths for name in (path, root_of(path)) if name in columns]
        if not found:
            have = ", ".join(columns)
            raise ConfigError(
                f"file {reader.path} has no column {' or '.join(map(repr, paths))}, which {key} needs; it has: {have}"
                + _other_delimiter(columns, layout)
            )
        if columns.count(found[0]) > 1:
            raise ConfigError(f"file {reader.path} has column {found[0]!r} twice in its header: {key} needs it once")


def _other_delimiter(columns: tuple[str, ...], layout: FileSpec) -> str:
    """The likely cause where a header is one name with delimiters in it."""
    names = {";": "';'", "\t": "a tab ('\\t')", "|": "'|'", ",": "','"}
    found = [mark for mark in names if mark != layout.delimiter and len(columns) == 1 and mark in columns[0]]
    if not found:
        return ""
    mark = max(found, key=columns[0].count)
    return f"; its fields seem to be parted by {names[mark]}: set delimiter under [file] of the mapping"

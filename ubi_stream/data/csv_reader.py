"""Rows of CSV files. A stray quote damages its own row alone, whatever it would pair with further down."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Self

from ubi_stream.data.compression import DAMAGE
from ubi_stream.data.records import FileRow
from ubi_stream.data.row_reader import RowReader, is_utf8
from ubi_stream.errors import ConfigError
from ubi_stream.mappings.specs import FileSpec

IsRow = Callable[[dict[str, Any]], bool]
"""Whether fields of a line, by column, look like those of a row."""

_STRAY_QUOTE: Final = "a quote that opens a field is not closed before the next delimiter of its row"
_NAMES_DELIMITER: Final = re.compile("sep=.?", re.IGNORECASE)
"""A first line by which Excel knows what parts the fields."""
_TOO_LONG: Final = "a field is longer than 131,072 characters"


class CsvReader(RowReader):
    """Delimited text with a header, or with the columns that the mapping names.

    A quoted field may go on over several lines. Whether it really does is a question of what the lines hold: two stray
    quotes in two rows look like one such field. So quotes must stand where a writer of CSV puts them, and a line that
    is a row by itself is never part of another one.
    """

    def __init__(self, path: Path, layout: FileSpec, is_row: IsRow) -> None:
        super().__init__(path, layout)
        self._is_row = is_row
        try:
            self._lines = _Lines(self._text())
            self._columns = layout.columns or self._header()
        except BaseException:
            self.close()
            raise

    @property
    def columns(self) -> tuple[str, ...]:
        return self._columns

    def _reader(self) -> Iterator[list[str]]:
        quote = self._layout.quote or None
        return csv.reader(
            self._lines,
            delimiter=self._layout.delimiter,
            quotechar=quote,
            quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
            strict=True,
        )

    def _header(self) -> tuple[str, ...]:
        try:
            lines = (fields for fields in self._reader() if fields)
            header = next(lines, None)
            if header is not None and _NAMES_DELIMITER.fullmatch(self._layout.delimiter.join(header)):
                header = next(lines, None)
        except (*DAMAGE, UnicodeDecodeError, csv.Error) as error:
            raise ConfigError(f"file {self.path} has no readable header: {error}") from error
        self.rows_skipped = max(0, len(self._lines.taken()) - 1)
        if not header:
            raise ConfigError(f"file {self.path} is empty: expected a header line with the names of the columns")
        if not is_utf8("".join(header)):
            raise ConfigError(
                f"file {self.path} has a header that is not UTF-8: say what it is under [file] of the mapping, such as "
                'encoding = "latin-1" or "cp1252"'
            )
        return tuple(header)

    def _rows(self) -> Iterator[FileRow]:
        columns, lines = self._columns, self._lines
        reader = self._reader()
        while True:
            number = lines.number + 1
            try:
                fields, fault = next(reader, None), ""
            except csv.Error as error:
                fields, fault = [], _TOO_LONG if "field larger" in str(error) else _STRAY_QUOTE
            raw = lines.taken()
            if fields is None:
                return
            if not fault and not fields:
                self.rows_skipped += 1
                continue
            if not fault:
                fault = self._fault(fields, raw)
            if fault:
                lines.put_back(raw[1:])
                yield FileRow(None, raw[0].rstrip("\r\n"), number, fault)
            else:
                yield FileRow(dict(zip(columns, fields, strict=True)), "".join(raw).rstrip("\r\n"), number)

    def _fault(self, fields: list[str], raw: list[str]) -> str:
        """What is wrong with fields that the lines were split into; nothing, mostly."""
        if len(fields) != len(self._columns):
            return f"{len(fields)} fields where {len(self._columns)} were expected"
        if len(raw) > 1 and any(self._is_row_by_itself(line) for line in raw[1:]):
            return _STRAY_QUOTE
        return ""

    def _is_row_by_itself(self, line: str) -> bool:
        """Whether a line has what a row has, whatever its quotes are good for.

        Fields that hold a delimiter are split too much here. So columns are counted from the left, then from the right.
        """
        columns, layout = self._columns, self._layout
        fields = line.replace(layout.quote, "").rstrip("\r\n").split(layout.delimiter)
        if len(fields) < 2 or 2 * len(fields) < len(columns):
            return False
        from_left = dict(zip(columns, fields, strict=False))
        from_right = dict(zip(reversed(columns), reversed(fields), strict=False))
        return self._is_row(from_left) or self._is_row(from_right)


class _Lines:
    """Lines of a text, which remembers those taken since last asked and takes some back.

    Attributes
    ----------
    number
        How many lines were taken, less those that were given back.
    """

    def __init__(self, text: Iterable[str]) -> None:
        self._text = iter(text)
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self.number = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._text)
        self._taken.append(line)
        self.number += 1
        return line

    def taken(self) -> list[str]:
        taken, self._taken = self._taken, []
        return taken

    def put_back(self, lines: list[str]) -> None:
        self._again.extendleft(reversed(lines))
        self.number -= len(lines)

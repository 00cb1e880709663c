"""Streams the data rows of CSV and JSON Lines files, plain or compressed (`.gz`, `.zst`), in constant memory.

Parquet files have a module of their own, as polars is an extra. A row that can't be read is a value,
`Row(values=None, raw=…)`; only the file as a whole (missing, unknown, without a needed column, damaged) raises.
"""

from __future__ import annotations

import csv
import io
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, ClassVar, Self

import orjson

from ubi_stream.errors import ConfigError
from ubi_stream.replay.compression import COMPRESSIONS, DAMAGE, decompressed
from ubi_stream.replay.mapping import FileSpec
from ubi_stream.replay.records import Row


class RowReader(ABC):
    """The data rows of one open file, once, in order.

    Attributes
    ----------
    path
        The file.
    total_bytes
        Its size on disk, compressed as it is.
    rows_read
        Data rows given so far.
    """

    _damage: ClassVar[tuple[type[Exception], ...]] = DAMAGE
    """What a damaged file raises while it is read."""

    def __init__(self, path: Path, layout: FileSpec) -> None:
        self.path = path
        self.rows_read = 0
        self._layout = layout
        try:
            self.total_bytes = path.stat().st_size
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise ConfigError(f"file {path} can't be read: {error.strerror}") from error

    @property
    def bytes_read(self) -> int:
        """Bytes of the file that have been read so far, out of `total_bytes`."""
        return self._file.tell() if not self._file.closed else self.total_bytes

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Columns that every row has, or None where each row may have others (JSON Lines)."""
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __iter__(self) -> Iterator[Row]:
        try:
            for row in self._rows():
                self.rows_read += 1
                yield row
        except self._damage as error:
            raise self._damaged(error) from error

    @abstractmethod
    def _rows(self) -> Iterator[Row]: ...

    def _damaged(self, error: Exception) -> ConfigError:
        return ConfigError(f"file {self.path} is damaged after data row {self.rows_read}: {error}")


class CsvReader(RowReader):
    """Comma-separated text in UTF-8 with a header, or with the columns that the mapping names."""

    def __init__(self, path: Path, layout: FileSpec) -> None:
        super().__init__(path, layout)
        text = io.TextIOWrapper(
            decompressed(self._file, path.suffix.lower()), encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        self._lines = _Lines(text)
        try:
            self._columns = layout.columns or self._header()
        except BaseException:
            self.close()
            raise

    @property
    def columns(self) -> tuple[str, ...]:
        return self._columns

    def _header(self) -> tuple[str, ...]:
        try:
            header = next(csv.reader(self._lines, delimiter=self._layout.delimiter), None)
        except (*DAMAGE, csv.Error) as error:
            raise ConfigError(f"file {self.path} has no readable header: {error}") from error
        self._lines.taken()
        if not header:
            raise ConfigError(f"file {self.path} is empty: expected a header line with the names of the columns")
        doubled = {name for name in header if header.count(name) > 1}
        if doubled:
            raise ConfigError(f"file {self.path} has column {min(doubled)!r} twice in its header: expected it once")
        return tuple(header)

    def _rows(self) -> Iterator[Row]:
        columns, width, lines = self._columns, len(self._columns), self._lines
        reader = csv.reader(lines, delimiter=self._layout.delimiter)
        while True:
            try:
                fields = next(reader, None)
            except csv.Error:  # a field over the csv module's limit, most likely behind a quote that never closes
                fields = []
            raw = lines.taken()
            if fields is None:
                return
            if len(fields) == width:
                yield Row(dict(zip(columns, fields, strict=True)), "".join(raw))
            elif any(line.strip("\r\n") for line in raw):
                # One stray quote must not swallow its neighbours: only the first line is bad, read on at the second.
                lines.put_back(raw[1:])
                yield Row(None, raw[0].rstrip("\r\n"))


class _Lines:
    """Lines of a text, which remembers those taken since last asked and takes some back."""

    def __init__(self, text: Iterable[str]) -> None:
        self._text = iter(text)
        self._again: deque[str] = deque()
        self._taken: list[str] = []

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._text)
        self._taken.append(line)
        return line

    def taken(self) -> list[str]:
        taken, self._taken = self._taken, []
        return taken

    def put_back(self, lines: list[str]) -> None:
        self._again.extendleft(reversed(lines))


class JsonLinesReader(RowReader):
    """One JSON object a line; blank lines are no rows."""

    def _rows(self) -> Iterator[Row]:
        for line in decompressed(self._file, self.path.suffix.lower()):
            raw = line.strip()
            if not raw:
                continue
            try:
                values = orjson.loads(raw)
            except orjson.JSONDecodeError:
                values = None
            yield Row(values if isinstance(values, dict) else None, raw)


_READERS: dict[str, type[RowReader]] = {
    ".csv": CsvReader,
    ".jsonl": JsonLinesReader,
    ".ndjson": JsonLinesReader,
}
_PARQUET = ".parquet"


def open_rows(path: Path, layout: FileSpec, needed: dict[str, str]) -> RowReader:
    """Open a file of rows by its name: `.csv`, `.jsonl`, `.ndjson` or `.parquet`, each also with `.gz` or `.zst`.

    Parameters
    ----------
    path
        The file.
    layout
        What the mapping says about it.
    needed
        Columns that must be there, each with the key of the mapping that needs it.

    Raises
    ------
    ConfigError
        The file is missing, of an unknown kind, empty, damaged, lacks a column, or is a Parquet file without polars.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if len(suffixes) > 1 and suffixes[-1] in COMPRESSIONS else "".join(suffixes[-1:])
    reader = _reader(kind, path)(path, layout)
    if reader.columns is not None:
        for column, key in needed.items():
            if not _has_column(reader.columns, column):
                reader.close()
                have = ", ".join(reader.columns)
                raise ConfigError(f"file {path} has no column {column!r}, which {key} needs; it has: {have}")
    return reader


def _reader(kind: str, path: Path) -> type[RowReader]:
    if kind == _PARQUET:
        if find_spec("polars") is None:
            raise ConfigError(f"file {path} is a Parquet file, which needs polars: pip install 'ubi-stream[parquet]'")
        from ubi_stream.replay.parquet import ParquetReader  # noqa: PLC0415 - polars is an extra

        return ParquetReader
    if kind not in _READERS:
        raise ConfigError(
            f"file {path} is of an unknown kind: expected a name ending in {', '.join((*_READERS, _PARQUET))}, "
            f"with {' or '.join(COMPRESSIONS)} behind it or not"
        )
    return _READERS[kind]


def _has_column(columns: tuple[str, ...], wanted: str) -> bool:
    """Whether the column is there, or the Parquet struct that holds it (`a.b` in `a`)."""
    return wanted in columns or wanted.split(".", 1)[0] in columns

"""Streams the rows of a Parquet file with polars, which the extra `parquet` brings.

A compressed file (`.gz`, `.zst`) is unpacked to a temporary file on disk first, as Parquet is read from its end.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, ClassVar

import polars as pl

from ubi_stream.data.compression import DAMAGE, decompressed, is_compressed
from ubi_stream.data.records import FileRow
from ubi_stream.data.row_reader import RowReader
from ubi_stream.errors import ConfigError
from ubi_stream.mappings.specs import FileSpec

# Rows of Parquet decoded at once: few enough for a wide table to fit, enough that a row group isn't decoded often.
PARQUET_BATCH_ROWS = 100_000


class ParquetReader(RowReader):
    """A Parquet file, some rows at a time. Older writers mark no column as text: bytes are read as UTF-8."""

    _damage: ClassVar[tuple[type[Exception], ...]] = (*DAMAGE, pl.exceptions.PolarsError)

    def __init__(self, path: Path, layout: FileSpec) -> None:
        self._unpacked: IO[bytes] | None = None
        super().__init__(path, layout)
        try:
            source = self._unpack() if is_compressed(self._file) else path
            self._frame = pl.scan_parquet(source)
            schema = self._frame.collect_schema()
            self._columns = tuple(_names(schema))
            self._binary = [name for name, kind in schema.items() if _holds_bytes(kind)]
            self._total_rows: int = self._frame.select(pl.len()).collect().item()
        except self._damage as error:
            self.close()
            raise ConfigError(f"file {path} is no readable Parquet file: {error}") from error

    def _unpack(self) -> Path:
        self._unpacked = tempfile.NamedTemporaryFile(prefix="ubi-", suffix=".parquet")  # noqa: SIM115 - close() closes it
        shutil.copyfileobj(decompressed(self._file), self._unpacked)
        self._unpacked.flush()
        return Path(self._unpacked.name)

    @property
    def columns(self) -> tuple[str, ...]:
        return self._columns

    @property
    def bytes_read(self) -> int:
        return self.total_bytes * self.rows_read // self._total_rows if self._total_rows else self.total_bytes

    def close(self) -> None:
        super().close()
        if self._unpacked is not None:
            self._unpacked.close()

    def _rows(self) -> Iterator[FileRow]:
        number = 0
        for start in range(0, self._total_rows, PARQUET_BATCH_ROWS):
            for values in self._frame.slice(start, PARQUET_BATCH_ROWS).collect().iter_rows(named=True):
                for name in self._binary:
                    values[name] = _as_text(values[name])
                number += 1
                yield FileRow(values, b"", number)


def _names(schema: pl.Schema) -> Iterator[str]:
    """Names of columns, and of the fields of structs as `column.field`."""
    for name, kind in schema.items():
        yield name
        if isinstance(kind, pl.Struct):
            fields = pl.Schema({field.name: field.dtype for field in kind.fields})
            yield from (f"{name}.{inner}" for inner in _names(fields))


def _holds_bytes(kind: Any) -> bool:
    """Whether a column's values are bytes, or hold some."""
    if isinstance(kind, pl.Struct):
        return any(_holds_bytes(field.dtype) for field in kind.fields)
    return _holds_bytes(kind.inner) if isinstance(kind, pl.List | pl.Array) else kind == pl.Binary


def _as_text(value: Any) -> Any:
    """Bytes as text, also in lists and objects. What is no UTF-8 becomes lone surrogates, which no JSON can hold."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        return {name: _as_text(inner) for name, inner in value.items()}
    return [_as_text(inner) for inner in value] if isinstance(value, list) else value

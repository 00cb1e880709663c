"""Streams the rows of a Parquet file with polars, which the extra `parquet` brings.

A compressed file (`.gz`, `.zst`) is unpacked to a temporary file on disk first, as Parquet is read from its end.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, ClassVar

import polars as pl

from ubi_stream.errors import ConfigError
from ubi_stream.replay.compression import COMPRESSIONS, DAMAGE, decompressed
from ubi_stream.replay.mapping import FileSpec
from ubi_stream.replay.readers import RowReader
from ubi_stream.replay.records import Row

# Rows of Parquet decoded at once: few enough for a wide table to fit, enough that a row group isn't decoded often.
PARQUET_BATCH_ROWS = 100_000


class ParquetReader(RowReader):
    """A Parquet file, some rows at a time."""

    _damage: ClassVar[tuple[type[Exception], ...]] = (*DAMAGE, pl.exceptions.PolarsError)

    def __init__(self, path: Path, layout: FileSpec) -> None:
        super().__init__(path, layout)
        self._unpacked: IO[bytes] | None = None
        try:
            source = self._unpack() if path.suffix.lower() in COMPRESSIONS else path
            self._frame = pl.scan_parquet(source)
            self._columns = tuple(self._frame.collect_schema().names())
            self._total_rows: int = self._frame.select(pl.len()).collect().item()
        except self._damage as error:
            self.close()
            raise ConfigError(f"file {path} is no readable Parquet file: {error}") from error

    def _unpack(self) -> Path:
        self._unpacked = tempfile.NamedTemporaryFile(prefix="ubi-", suffix=".parquet")  # noqa: SIM115 - close() closes it
        shutil.copyfileobj(decompressed(self._file, self.path.suffix.lower()), self._unpacked)
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

    def _rows(self) -> Iterator[Row]:
        for start in range(0, self._total_rows, PARQUET_BATCH_ROWS):
            for values in self._frame.slice(start, PARQUET_BATCH_ROWS).collect().iter_rows(named=True):
                yield Row(values, b"")

"""One file and its mapping, opened together: what `ubi replay` and `ubi demo --input` read from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from ubi_stream.data.readers import open_rows
from ubi_stream.data.records import FileRow, ProducerRecord
from ubi_stream.data.sorting import by_time
from ubi_stream.data.transform import map_rows
from ubi_stream.mappings.mapper import time_is_read
from ubi_stream.mappings.model import Mapping, load_mapping


class ReplaySource:
    """The records of a file, once, in order.

    Parameters
    ----------
    path
        CSV, JSON Lines or Parquet, plain or compressed.
    mapping
        Name of a shipped mapping, path of a mapping file, or a loaded one.
    sort
        Whether the records come in the order of their time, not of the file.
    key
        Keys the hashes of values that the mapping hides.

    Attributes
    ----------
    unread
        Values that are not of the type that the mapping says, counted by their place in the event.
    left_out
        Rows that don't fit the mapping's filters, counted by what they had.

    Raises
    ------
    ConfigError
        The mapping or the file is wrong; also while reading, where the file turns out to be damaged.
    """

    def __init__(
        self, path: str | Path, mapping: str | Path | Mapping, *, sort: bool = False, key: bytes = b""
    ) -> None:
        self._sort = sort
        self._key = key
        self.unread: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.mapping = mapping if isinstance(mapping, Mapping) else load_mapping(mapping)
        self._reader = open_rows(
            Path(path), self.mapping.file, self.mapping.needed_columns(), time_is_read(self.mapping)
        )
        self.total_bytes = self._reader.total_bytes

    @property
    def bytes_read(self) -> int:
        """Bytes of the file read so far, for a progress bar up to `total_bytes`."""
        return self._reader.bytes_read

    @property
    def rows_read(self) -> int:
        """Data rows read so far."""
        return self._reader.rows_read

    @property
    def rows_skipped(self) -> int:
        """Blank lines so far, which are no rows."""
        return self._reader.rows_skipped

    def rows(self) -> Iterator[FileRow]:
        """The rows as the file has them, in place of the records."""
        return iter(self._reader)

    def __iter__(self) -> Iterator[ProducerRecord]:
        records = map_rows(self.mapping, self._reader, self.unread, self.left_out, self._key)
        return by_time(records) if self._sort else records

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

"""What the readers of all kinds of files have in common: the file, its size, how far it is read, its damage."""

from __future__ import annotations

import codecs
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, ClassVar, Final, Self

from ubi_stream.data.compression import DAMAGE, decompressed, other_kind
from ubi_stream.data.records import FileRow
from ubi_stream.errors import ConfigError, likely
from ubi_stream.mappings.specs import FileSpec

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER_BYTES: Final = 128 * 1024
_MARKS: Final = {  # the longer marks first: that of UTF-32 begins like that of UTF-16
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


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
    rows_skipped
        Blank lines so far: they are no rows.
    """

    _damage: ClassVar[tuple[type[Exception], ...]] = (*DAMAGE, UnicodeDecodeError)
    """What a damaged file raises while it is read."""

    def __init__(self, path: Path, layout: FileSpec) -> None:
        self.path = path
        self.rows_read = self.rows_skipped = 0
        self._layout = layout
        try:
            self.total_bytes = path.stat().st_size
            self._file: IO[bytes] = path.open("rb")
        except FileNotFoundError as error:
            raise ConfigError(f"file {path} can't be read: {error.strerror}; {_instead_of(path)}") from error
        except OSError as error:
            raise ConfigError(f"file {path} can't be read: {error.strerror}") from error
        try:
            other = other_kind(self._file)
        except OSError as error:  # a folder opens nowhere, but a broken disk does
            self.close()
            raise ConfigError(f"file {path} can't be read: {error.strerror}") from error
        if other is not None:
            self.close()
            raise ConfigError(f"file {path} is {other}")

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

    def __iter__(self) -> Iterator[FileRow]:
        try:
            for row in self._rows():
                self.rows_read += 1
                yield row
        except self._damage as error:
            raise self._damaged(error) from error

    @abstractmethod
    def _rows(self) -> Iterator[FileRow]: ...

    def _damaged(self, error: Exception) -> ConfigError:
        return ConfigError(f"file {self.path} is damaged after data row {self.rows_read}: {error}")

    def _text(self) -> io.TextIOWrapper:
        """The file as text, without its byte order mark. What is no UTF-8 stays in it as lone surrogates.

        Raises
        ------
        ConfigError
            The file is damaged at its beginning, or is UTF-16 without a byte order mark.
        """
        stream, encoding = self._opened()
        errors = "surrogateescape" if encoding == "utf-8" else "strict"
        return io.TextIOWrapper(stream, encoding=encoding, errors=errors, newline="")

    def _lines_of_bytes(self) -> Iterator[bytes]:
        """Lines in UTF-8, without the byte order mark; as the file has them, unless it is of another encoding.

        Raises
        ------
        ConfigError
            As `_text`.
        """
        stream, encoding = self._opened()
        if encoding == "utf-8":
            return iter(stream)
        return (line.encode() for line in io.TextIOWrapper(stream, encoding=encoding, newline="\n"))

    def _opened(self) -> tuple[io.BufferedReader[_Raw], str]:
        """The unpacked file, and its encoding: as its byte order mark says, else as the mapping does."""
        stream = io.BufferedReader(_Raw(decompressed(self._file)), _BUFFER_BYTES)
        try:
            head = stream.peek(4)[:4]
        except DAMAGE as error:
            raise self._damaged(error) from error
        mark, encoding = next(((m, e) for m, e in _MARKS.items() if head.startswith(m)), (b"", self._layout.encoding))
        encoding = codecs.lookup(encoding).name
        if encoding == "utf-8":
            stream.read(len(mark))
            if head.count(0) == 2 and head[0::2] != head[1::2] and b"\0\0" in (head[0::2], head[1::2]):
                raise ConfigError(
                    f'file {self.path} is not UTF-8 but probably UTF-16: set encoding = "utf-16-le" (or -be) under '
                    "[file] of the mapping"
                )
        return stream, encoding


class _Raw(io.RawIOBase):
    """A stream of bytes as the raw stream under a buffer that can be looked into."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._source.read(len(view))
        view[: len(data)] = data
        return len(data)


def is_utf8(text: str) -> bool:
    """Whether a text of `RowReader._text` was UTF-8 in the file."""
    return not any("\udc80" <= character <= "\udcff" for character in text)


def _instead_of(path: Path) -> str:
    """Where a file that is missing may be."""
    folder = path.parent
    try:
        found = likely(path.name, (other.name for other in folder.iterdir() if other.is_file()))
    except OSError:
        return f"there is no folder {folder.absolute()}"
    return found.rstrip() or f"looked for it in {folder.absolute()}"

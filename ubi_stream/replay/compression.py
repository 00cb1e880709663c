"""Opens a plain, gzip or Zstandard file as a stream of bytes, and notices when the file ends too early."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import IO, TYPE_CHECKING, cast

import zstandard

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

COMPRESSIONS = (".gz", ".zst")
# What a damaged file raises while it is read.
DAMAGE = (EOFError, OSError, zstandard.ZstdError, zlib.error)

_CHUNK_BYTES = 128 * 1024


class ZstdStream(io.RawIOBase):
    """Decompressed bytes of a Zstandard file with one or more frames.

    The stream reader of the zstandard package ends silently at a truncated frame; rows would be lost without a word.

    Raises
    ------
    EOFError
        The file ends inside a frame.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._inside = False
        self._input = b""
        self._output = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        while not self._output:
            if not self._fill():
                return 0
        view = memoryview(buffer).cast("B")
        size = min(len(view), len(self._output))
        view[:size] = self._output[:size]
        self._output = self._output[size:]
        return size

    def _fill(self) -> bool:
        """Decompress one more chunk; False at the end of the file."""
        chunk = self._input or self._source.read(_CHUNK_BYTES)
        self._input = b""
        if not chunk:
            if self._inside:
                raise EOFError("the file ends inside a Zstandard frame")
            return False
        self._inside = True
        self._output = memoryview(self._frame.decompress(chunk))
        if self._frame.eof:
            self._input = self._frame.unused_data
            self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._inside = False
        return True


def decompressed(source: IO[bytes], suffix: str) -> IO[bytes]:
    """Wrap an open file by its last suffix: `.gz`, `.zst`, or anything else for a plain file."""
    if suffix == ".gz":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=source, mode="rb"))
    if suffix == ".zst":
        return io.BufferedReader(ZstdStream(source), _CHUNK_BYTES)
    return source

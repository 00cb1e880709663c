"""Opens a plain, gzip or Zstandard file as a stream of bytes; a file that ends too early raises."""

from __future__ import annotations

import gzip
import zlib
from typing import IO, cast

from ubi_stream.zstd import DecompressionParameter, ZstdError, ZstdFile

COMPRESSIONS = (".gz", ".zst")
# What a damaged file raises while it is read.
DAMAGE = (EOFError, OSError, ZstdError, zlib.error)

# The largest window that Zstandard has (2 GiB): the default of 128 MiB refuses files of `zstd --long=31`.
_WINDOW_LOG_MAX = 31


def decompressed(source: IO[bytes], suffix: str) -> IO[bytes]:
    """Wrap an open file by its last suffix: `.gz`, `.zst`, or anything else for a plain file."""
    if suffix == ".gz":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=source, mode="rb"))
    if suffix == ".zst":
        options = {int(DecompressionParameter.window_log_max): _WINDOW_LOG_MAX}
        return cast("IO[bytes]", ZstdFile(source, options=options))
    return source

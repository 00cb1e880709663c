"""Opens a plain, gzip or Zstandard file as a stream of bytes; a file that ends too early raises.

What a file is, its first bytes say: an export named `.csv` may well be gzip, and one named `.csv.gz` plain.
"""

from __future__ import annotations

import gzip
import zlib
from typing import IO, Final, cast

from ubi_stream.zstd import DecompressionParameter, ZstdError, ZstdFile

COMPRESSIONS = (".gz", ".zst")
# What a damaged file raises while it is read.
DAMAGE = (EOFError, OSError, ZstdError, zlib.error)

# The largest window that Zstandard has (2 GiB): the default of 128 MiB refuses files of `zstd --long=31`.
_WINDOW_LOG_MAX: Final = 31
_GZIP: Final = b"\x1f\x8b"
_ZSTANDARD: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = b"\x2a\x4d\x18"  # Zstandard: a frame without content; its first byte is 0x50 to 0x5f
_OTHER_KINDS: Final = {
    b"PK\x03\x04": "a ZIP archive (an Excel workbook is one): unpack it, or export it as CSV",
    b"BZh": "compressed with bzip2: expected gzip or Zstandard",
    b"\xfd7zXZ": "compressed with xz: expected gzip or Zstandard",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook: export it as CSV",
    b"SQLite format 3": "a SQLite database: export its table as CSV",
    b"ORC": "an ORC file: expected CSV, JSON Lines or Parquet",
    b"Obj\x01": "an Avro file: expected CSV, JSON Lines or Parquet",
}


def decompressed(source: IO[bytes]) -> IO[bytes]:
    """Wrap an open file, at its beginning, by what its first bytes say."""
    head = _head(source)
    if head.startswith(_GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=source, mode="rb"))
    if head.startswith(_ZSTANDARD) or (head[1:4] == _SKIPPABLE and 0x50 <= head[0] <= 0x5F):
        options = {int(DecompressionParameter.window_log_max): _WINDOW_LOG_MAX}
        return cast("IO[bytes]", ZstdFile(source, options=options))
    return source


def is_compressed(source: IO[bytes]) -> bool:
    """Whether `decompressed` would unpack it."""
    unpacked = decompressed(source)
    source.seek(0)
    return unpacked is not source


def other_kind(source: IO[bytes]) -> str | None:
    """What a file is that can't be read, and what to do; None where its first bytes say nothing against it."""
    head = _head(source)
    return next((text for magic, text in _OTHER_KINDS.items() if head.startswith(magic)), None)


def _head(source: IO[bytes]) -> bytes:
    head = source.read(16)
    source.seek(0)
    return head

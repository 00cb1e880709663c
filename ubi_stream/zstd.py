"""Zstandard under one name: the standard library's module, or its backport for the Pythons that lack it."""

from __future__ import annotations

import sys

if sys.version_info >= (3, 14):
    from compression.zstd import DecompressionParameter, ZstdDecompressor, ZstdError, ZstdFile
else:
    from backports.zstd import DecompressionParameter, ZstdDecompressor, ZstdError, ZstdFile

__all__ = ["DecompressionParameter", "ZstdDecompressor", "ZstdError", "ZstdFile"]

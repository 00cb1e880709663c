"""Hashes that stand for a value: equal values have equal ones, and nobody without the key can check a guess."""

from __future__ import annotations

import hmac
import re
from typing import Final

_PREFIX: Final = "hmac:"
_FORM: Final = re.compile(r"hmac:[0-9a-f]{32}")


def hashed(key: bytes, text: str) -> str:
    """HMAC-SHA-256 of a text, cut to 128 bits; a text that is such a hash stays as it is.

    >>> hashed(b"key", "bob")
    'hmac:3833c030dcb7a71082e35e243a0e50de'
    >>> hashed(b"key", hashed(b"key", "bob")) == hashed(b"key", "bob")
    True
    """
    if is_hash(text):
        return text
    return _PREFIX + hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]


def is_hash(text: str) -> bool:
    """Whether a text has the form of a hash."""
    return text.startswith(_PREFIX) and _FORM.fullmatch(text) is not None

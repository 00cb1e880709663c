"""Ids of events that bring none, derived from their content; and hashes of what nobody should read."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

# Identical rows further apart than this share an event id, and count as duplicates. It bounds memory to about 60 MB.
OCCURRENCE_WINDOW = 200_000
_DIGITS: Final = 32
"""Hexadecimal digits of a hidden value: 128 bits."""


class EventIds:
    """Derives event ids from content: the same file gives the same ids, and identical rows get different ones.

    Parameters
    ----------
    mapping_name
        Keeps ids of different mappings apart.
    """

    def __init__(self, mapping_name: str) -> None:
        self._mapping_name = mapping_name
        self._recent: dict[bytes, int] = {}
        self._older: dict[bytes, int] = {}

    def derive(self, body: bytes) -> str:
        """Id of the event with this encoded content: 32 hexadecimal digits.

        >>> ids = EventIds("shop")
        >>> first, second = ids.derive(b"{}"), ids.derive(b"{}")
        >>> first != second and EventIds("shop").derive(b"{}") == first
        True
        """
        digest = _digest(self._mapping_name, body)
        seen = self._recent.get(digest) or self._older.get(digest, 0)
        self._recent[digest] = seen + 1
        if len(self._recent) >= OCCURRENCE_WINDOW:
            self._older, self._recent = self._recent, {}
        if seen:
            digest = hashlib.blake2b(digest + seen.to_bytes(8, "big"), digest_size=16).digest()
        return digest.hex()


def content_id(mapping_name: str, body: bytes) -> str:
    """Id of an event by its content alone: that of the first of identical rows.

    >>> content_id("shop", b"{}") == EventIds("shop").derive(b"{}")
    True
    """
    return _digest(mapping_name, body).hex()


def hidden(key: bytes, text: str) -> str:
    """HMAC-SHA256 of a text, shortened to 128 bits: the same text gives the same, and nobody without the key can try.

    >>> len(hidden(b"key", "192.0.2.1"))
    32
    """
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:_DIGITS]


def _digest(mapping_name: str, body: bytes) -> bytes:
    return hashlib.blake2b(mapping_name.encode() + b"\0" + body, digest_size=16).digest()

"""Bytes that are no event: what can be recognised in them is overwritten, so that the rest can still be repaired."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable
from typing import Final

from ubi_stream.privacy.detectors import replaced
from ubi_stream.privacy.rules import Action, DataKind, PrivacyRules, secret_words

MAX_UNPACKED: Final = 1024 * 1024
"""Bytes of a compressed record that are looked into."""
OPAQUE: Final = b"[filtered]"
"""What is kept of a compressed record that can't be looked into."""
_GZIP: Final = b"\x1f\x8b"
_UTF_16: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_ROUNDS: Final = 8
"""Looks at a text: what stands beside something that was overwritten may be something itself."""
_VALUE: Final = r"""(?:"(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?|(?:(?:Bearer|Basic)[ ]+)?[^\s,;&}\])"']++)"""


class RawCleaner:
    """Overwrites secrets and personal data by `*`, as many as there were bytes: lengths in a binary form stay right.

    Bytes are read as UTF-8, or as UTF-16 behind its mark; what gzip compressed is unpacked and packed again.

    Examples
    --------
    >>> RawCleaner(PrivacyRules()).clean(b'{"user_id": "u1", "password": "hunter2", "to": "bob@example.com"')
    b'{"user_id": "u1", "password": *********, "to": "***************"'
    """

    def __init__(self, rules: PrivacyRules) -> None:
        self._actions = rules.text
        words = secret_words(rules.secrets)
        self._secret = re.compile(
            rf"((?:{words})[\"']?\s{{0,8}}[:=]\s{{0,8}})(?!\*)({_VALUE})", re.IGNORECASE | re.DOTALL
        )

    def clean(self, raw: bytes) -> bytes:
        """Bytes with what is recognised overwritten; the same object where nothing is."""
        if raw.startswith(_GZIP):
            return self._unpacked(raw)
        encoding = _UTF_16.get(raw[:2])
        if encoding is None:
            text = raw.decode("utf-8", "surrogateescape")
            clean = self._text(text, len_of=lambda found: len(found.encode("utf-8", "surrogateescape")))
            return raw if clean == text else clean.encode("utf-8", "surrogateescape")
        text = raw[2:].decode(encoding, "ignore")
        clean = self._text(text, len_of=len)
        return raw if clean == text else raw[:2] + clean.encode(encoding)

    def _unpacked(self, raw: bytes) -> bytes:
        unpack = zlib.decompressobj(31)
        try:
            content = unpack.decompress(raw, MAX_UNPACKED)
        except zlib.error:
            return OPAQUE
        if not unpack.eof or unpack.unused_data or content.startswith(_GZIP):
            return OPAQUE
        clean = self.clean(content)
        return raw if clean is content else gzip.compress(clean, mtime=0)

    def _text(self, text: str, *, len_of: Callable[[str], int]) -> str:
        for _ in range(_ROUNDS):
            before, text = text, self._once(text, len_of)
            if text == before:
                break
        return text

    def _once(self, text: str, len_of: Callable[[str], int]) -> str:
        text = self._secret.sub(lambda match: match[1] + "*" * len_of(match[2]), text)

        def overwrite(kind: DataKind, found: str) -> str:
            return found if self._actions[kind] is Action.KEEP else "*" * len_of(found)

        return replaced(text, overwrite)

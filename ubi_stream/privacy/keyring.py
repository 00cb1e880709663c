"""Encryption of what leaves the product as a file or stays in a database: AES-256-GCM, under one of several keys.

The first key seals, all of them open: so a new key is put in front, what is kept is sealed again, and the old key goes.

Layout of what is sealed: magic (7 bytes), version (1), length of the key's id (1), the id, salt (16), then chunks of
64 KiB of content, each with its 16 bytes of tag; the last one may be shorter, and empty. Each seal has a key of its
own, by HKDF-SHA-256 of the ring's key and the salt; a chunk's nonce is its number and whether it is the last. So chunks
can be neither swapped nor left out, and a file that is cut off is noticed.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from io import BytesIO
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ubi_stream.errors import ConfigError

MAGIC: Final = b"UBISEAL"
_VERSION: Final = 1
_SALT_BYTES: Final = 16
_TAG_BYTES: Final = 16
_CHUNK_BYTES: Final = 64 * 1024
_KEY_BYTES: Final = 32
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Readable(Protocol):
    """A file to read bytes from."""

    def read(self, size: int = -1, /) -> bytes: ...


class Writable(Protocol):
    """A file to write bytes to."""

    def write(self, data: bytes, /) -> int: ...


class SealError(ConfigError):
    """Something can't be sealed or opened with the keys there are."""


class KeyRing:
    """Keys by their id; the first one seals.

    Examples
    --------
    >>> old, new = KeyRing.generate("2026"), KeyRing.generate("2027")
    >>> sealed = KeyRing.parse(old).seal(b"content", b"webhook")
    >>> ring = KeyRing.parse(f"{new},{old}")
    >>> ring.open(sealed, b"webhook"), ring.needs_reseal(sealed)
    (b'content', True)
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """Read a ring as a setting has it: `id:key,id:key`, keys in base64.

        Raises
        ------
        ConfigError
            It is something else. The message has no key in it.
        """
        keys: dict[str, bytes] = {}
        for number, item in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
            key_id, _, encoded = item.partition(":")
            try:
                key = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if not _ID.fullmatch(key_id) or len(key) != _KEY_BYTES:
                raise ConfigError(
                    f"UBI_DATA_KEYS: key {number} is not ID:KEY, 32 bytes in base64: `ubi keys data-key ID` makes one"
                )
            if key_id in keys:
                raise ConfigError(f"UBI_DATA_KEYS: the id {key_id!r} is given twice")
            keys[key_id] = key
        return cls(keys)

    @staticmethod
    def generate(key_id: str) -> str:
        """Make a key, as one part of the setting.

        Raises
        ------
        ConfigError
            The id has other characters than letters, digits and `._-`, or more than 64.
        """
        if not _ID.fullmatch(key_id):
            raise ConfigError(f"{key_id!r} is no id of a key: expected 1 to 64 letters, digits, dots, hyphens")
        return f"{key_id}:{base64.b64encode(os.urandom(_KEY_BYTES)).decode()}"

    def __bool__(self) -> bool:
        return bool(self._keys)

    def seal(self, content: bytes, context: bytes = b"") -> bytes:
        """Encrypt; `context` says what it is, and has to be the same to open it: a sealed value can't be moved.

        Raises
        ------
        SealError
            There is no key.
        """
        sealed = BytesIO()
        writer = SealingWriter(sealed, self, context)
        writer.write(content)
        writer.finish()
        return sealed.getvalue()

    def open(self, sealed: bytes, context: bytes = b"") -> bytes:
        """Decrypt.

        Raises
        ------
        SealError
            It is not sealed, under none of these keys, for another context, or damaged.
        """
        return OpeningReader(BytesIO(sealed), self, context).read()

    def needs_reseal(self, sealed: bytes) -> bool:
        """Whether something is sealed under another key than the first."""
        return read_key_id(BytesIO(sealed)) != next(iter(self._keys), None)

    def first(self) -> tuple[str, bytes]:
        """Id and key that seal.

        Raises
        ------
        SealError
            There is no key.
        """
        if not self._keys:
            raise SealError("there is no key to seal with: set UBI_DATA_KEYS, `ubi keys data-key ID` makes one")
        return next(iter(self._keys.items()))

    def key(self, key_id: str) -> bytes:
        """The key of an id.

        Raises
        ------
        SealError
            The ring has no such key.
        """
        if key_id not in self._keys:
            raise SealError(f"it is sealed under the key {key_id!r}, which UBI_DATA_KEYS does not have")
        return self._keys[key_id]


NO_KEYS: Final = KeyRing({})


class SealingWriter:
    """Seals what is written, and writes it on; `finish` it, or it can't be opened.

    Parameters
    ----------
    file
        Where the sealed content goes.
    context
        As for `KeyRing.seal`.
    """

    def __init__(self, file: Writable, ring: KeyRing, context: bytes = b"") -> None:
        key_id, key = ring.first()
        salt = os.urandom(_SALT_BYTES)
        header = MAGIC + bytes([_VERSION, len(key_id)]) + key_id.encode() + salt
        self._file = file
        self._cipher = _cipher(key, salt)
        self._about = header + context
        self._waiting = bytearray()
        self._number = 0
        file.write(header)

    def write(self, data: bytes) -> int:
        """Take bytes; whole chunks go on."""
        self._waiting += data
        while len(self._waiting) > _CHUNK_BYTES:  # the last chunk is written as such, so one is always kept back
            self._write(bytes(self._waiting[:_CHUNK_BYTES]), last=False)
            del self._waiting[:_CHUNK_BYTES]
        return len(data)

    def flush(self) -> None:
        """Nothing: a chunk is written once it is full."""

    def finish(self) -> None:
        """Write the last chunk."""
        self._write(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _write(self, chunk: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last=last), chunk, self._about))
        self._number += 1


class OpeningReader:
    """Reads what a `SealingWriter` wrote.

    Raises
    ------
    SealError
        From any method: it is not sealed, under none of the ring's keys, for another context, damaged or cut off.
    """

    def __init__(self, file: Readable, ring: KeyRing, context: bytes = b"") -> None:
        key_id, header = _read_header(file)
        self._file = file
        self._cipher = _cipher(ring.key(key_id), header[-_SALT_BYTES:])
        self._about = header + context
        self._ready = bytearray()
        self._number = 0
        self._next = file.read(_CHUNK_BYTES + _TAG_BYTES)
        self._ended = False

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes of content; all that is left unless given."""
        while not self._ended and (size < 0 or len(self._ready) < size):
            self._open_one()
        taken = len(self._ready) if size < 0 else size
        found = bytes(self._ready[:taken])
        del self._ready[:taken]
        return found

    def _open_one(self) -> None:
        chunk, self._next = self._next, self._file.read(_CHUNK_BYTES + _TAG_BYTES)
        self._ended = not self._next
        try:
            self._ready += self._cipher.decrypt(_nonce(self._number, last=self._ended), chunk, self._about)
        except (InvalidTag, ValueError) as error:
            raise SealError("it can't be opened: damaged, cut off, or sealed for something else") from error
        self._number += 1


def is_sealed(start: bytes) -> bool:
    """Whether something that begins so is sealed."""
    return start.startswith(MAGIC)


def read_key_id(file: Readable) -> str:
    """Id of the key that something is sealed under.

    Raises
    ------
    SealError
        It is not sealed.
    """
    return _read_header(file)[0]


def _read_header(file: Readable) -> tuple[str, bytes]:
    start = file.read(len(MAGIC) + 2)
    if len(start) < len(MAGIC) + 2 or not is_sealed(start):
        raise SealError("it is not sealed: it does not begin like something that is")
    if start[len(MAGIC)] != _VERSION:
        raise SealError(f"it is sealed in form {start[len(MAGIC)]}, this release knows {_VERSION}")
    rest = file.read(start[-1] + _SALT_BYTES)
    key_id = rest[:-_SALT_BYTES].decode("ascii", "replace")
    if len(rest) < start[-1] + _SALT_BYTES or not _ID.fullmatch(key_id):
        raise SealError("it can't be opened: damaged, or cut off")
    return key_id, start + rest


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    derived = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=salt, info=b"ubi-stream data").derive(key)
    return AESGCM(derived)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])

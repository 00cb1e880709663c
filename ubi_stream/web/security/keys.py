"""API keys: `ubi_<kind>_<random>_<crc32>`, stored as an HMAC.

The random part has 256 bits, so a fast hash keeps it: nobody can try so many. The checksum tells a mistyped key from
one that never was, and lets scanners of source code find a key that was published.
"""

from __future__ import annotations

import hmac
import re
import secrets
import string
import zlib
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from ubi_stream.web.security.principal import Kind, Principal, Role, Source

_LETTERS: Final = string.ascii_letters + string.digits
_RANDOM: Final = 43
"""Characters of 62: 256 bits."""
_FORM: Final = re.compile(rf"(ubi_(ingest|secret)_[A-Za-z0-9]{{{_RANDOM}}})_([0-9a-f]{{8}})", re.ASCII)

SUBJECTS: Final = (
    "audit", "dead_letters", "docs", "events", "health", "insights", "keys", "labels", "metrics", "models", "privacy",
    "segments", "users", "visits", "webhooks",
)  # fmt: skip
SCOPES: Final = frozenset(f"{subject}:{verb}" for subject in (*SUBJECTS, "*") for verb in ("read", "write"))


class KeyKind(StrEnum):
    """An ingest key may be public: it writes events, and reads nothing."""

    INGEST = "ingest"
    SECRET = "secret"


class ApiKey(msgspec.Struct, frozen=True):
    """What is stored of a key: all but the key.

    Attributes
    ----------
    id
        Names the key where it is listed and audited.
    hash
        HMAC-SHA-256 of the key.
    roles, scopes
        What a secret key grants; an ingest key has neither.
    source
        What events sent with an ingest key come from.
    requests
        Requests in a window of the rate limit; None for the settings'.
    expires_at, revoked_at
        From when on it is good for nothing. A rotated key expires after the overlap.
    """

    id: str
    kind: KeyKind
    name: str
    hash: bytes
    created_at: datetime
    roles: frozenset[Role] = frozenset()
    scopes: frozenset[str] = frozenset()
    source: Source = Source()
    requests: int | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaced_by: str | None = None

    def is_good(self, now: datetime) -> bool:
        """Whether it opens anything at this time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def principal(self) -> Principal:
        """Who sends requests with this key."""
        roles = frozenset({Role.INGEST}) if self.kind is KeyKind.INGEST else self.roles
        return Principal(self.id, Kind.KEY, roles, self.scopes, self.source, key_id=self.id)


def new_key(kind: KeyKind) -> str:
    """A key that there never was.

    >>> is_well_formed(new_key(KeyKind.INGEST))
    True
    """
    start = f"ubi_{kind}_{''.join(secrets.choice(_LETTERS) for _ in range(_RANDOM))}"
    return f"{start}_{_checksum(start)}"


def is_well_formed(key: str) -> bool:
    """Whether this could be a key: form and checksum, without a look at any store."""
    found = _FORM.fullmatch(key)
    return found is not None and found[3] == _checksum(found[1])


def is_ingest_key(key: str) -> bool:
    """Whether a well-formed key is one that may be public."""
    return key.startswith(f"ubi_{KeyKind.INGEST}_")


def hash_key(key: str, secret: bytes) -> bytes:
    """What is stored of a key. Under another secret all keys are others."""
    return hmac.digest(secret or b"ubi", key.encode(), "sha256")


def wrong_grants(kind: KeyKind, roles: Collection[Role], scopes: Collection[str]) -> str | None:
    """Why no key can grant this; None where one can.

    >>> wrong_grants(KeyKind.SECRET, [], ["insights:read"]) is None
    True
    >>> wrong_grants(KeyKind.SECRET, [], [])
    'A secret key needs scopes, or roles'
    """
    if kind is KeyKind.INGEST and (roles or scopes):
        return "An ingest key has no roles and no scopes: it writes events, and nothing else"
    if kind is KeyKind.SECRET and not (roles or scopes):
        return "A secret key needs scopes, or roles"
    if unknown := sorted(set(scopes) - SCOPES):
        return f"There is no scope {unknown[0][:60]!r}; there are: {', '.join(sorted(SCOPES))}"
    if Role.USER in roles:
        return "A key is nobody's own: role user is for tokens"
    return None


def _checksum(start: str) -> str:
    return f"{zlib.crc32(start.encode()):08x}"

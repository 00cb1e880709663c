"""Who sent a request, and what they may do."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final

import msgspec


class Role(StrEnum):
    """Closed list of roles; `docs/security.md` has a line for each."""

    USER = "user"
    INGEST = "ingest"
    VIEWER = "viewer"
    ANALYST = "analyst"
    PRIVACY = "privacy"
    ADMIN = "admin"


READERS: Final = frozenset({Role.VIEWER, Role.ANALYST, Role.ADMIN})
OWN_READERS: Final = READERS | {Role.USER}
"""Readers, and each user of the data about themselves."""
WRITERS: Final = frozenset({Role.ANALYST, Role.ADMIN})
INGESTERS: Final = frozenset({Role.INGEST, Role.ADMIN})
PRIVACY: Final = frozenset({Role.PRIVACY, Role.ADMIN})
OWN_PRIVACY: Final = PRIVACY | {Role.USER}
ADMINS: Final = frozenset({Role.ADMIN})
EVERY_ROLE: Final = frozenset(Role)


class Kind(StrEnum):
    """How a request was authenticated."""

    NOBODY = "nobody"
    LOCAL = "local"
    KEY = "key"
    TOKEN = "token"
    SESSION = "session"


class Source(msgspec.Struct, frozen=True):
    """What an ingest key names: a source of events.

    Attributes
    ----------
    name
        Name of the source.
    pack
        Pack whose event types the source sends; empty for the worker's.
    """

    name: str = "default"
    pack: str = ""


class Principal(msgspec.Struct, frozen=True):
    """The sender of a request.

    Attributes
    ----------
    name
        `sub` of a token, or id of a key. It is in the audit table.
    kind
        How it was authenticated.
    roles
        What a token grants. A key has scopes instead.
    scopes
        What a secret key grants, `object:read` or `object:write`; `*:read` stands for every object.
    source
        Where events of this key come from.
    hop
        Whether another worker sent the request on for this principal.
    key_id
        Key that authenticated the request or opened the session; None for tokens.
    """

    name: str
    kind: Kind
    roles: frozenset[Role] = frozenset()
    scopes: frozenset[str] = frozenset()
    source: Source = Source()
    hop: bool = False
    key_id: str | None = None

    @property
    def is_user_alone(self) -> bool:
        """Whether only data about this very user may be read."""
        return self.roles == {Role.USER}

    def grants(self, roles: Collection[str], scope: str) -> bool:
        """Whether a role or scope of this principal opens a route."""
        return bool(self.roles.intersection(roles)) or (bool(scope) and self.has_scope(scope))

    def has_scope(self, scope: str) -> bool:
        """Whether a scope is granted; to write includes to read.

        >>> Principal("k", Kind.KEY, scopes=frozenset({"*:read", "labels:write"})).has_scope("labels:read")
        True
        >>> Principal("k", Kind.KEY, scopes=frozenset({"*:read"})).has_scope("labels:write")
        False
        """
        subject, _, verb = scope.partition(":")
        granting = {scope, f"*:{verb}"} | ({f"{subject}:write", "*:write"} if verb == "read" else set())
        return not granting.isdisjoint(self.scopes)


NOBODY: Final = Principal("", Kind.NOBODY)
LOCAL: Final = Principal("local", Kind.LOCAL, roles=EVERY_ROLE - {Role.USER})
"""Whoever calls from this machine while no key exists."""

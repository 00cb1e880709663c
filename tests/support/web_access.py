"""Callers of the views, with and without rights."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from aiohttp.test_utils import TestServer
from aiohttp.web import AppRunner
from joserfc import jwt
from joserfc.jwk import OctKey
from pydantic import SecretStr

from support.web_worker import NOW_MS, Client
from ubi_stream.settings import Settings
from ubi_stream.web.routes import Route
from ubi_stream.web.security.key_store import make_key
from ubi_stream.web.security.keys import KeyKind
from ubi_stream.web.security.principal import Role

JWT_SECRET: Final = "a secret of an identity provider of a test"
TOKENS: Final = Settings(_env_file=None, jwt_secret=SecretStr(JWT_SECRET), web_public="")
"""Views that take tokens signed with `JWT_SECRET`, and show nothing without."""


class Service(Protocol):
    """Serves a route table."""

    def __call__(self, routes: Sequence[Route], settings: Settings = TOKENS) -> Awaitable[Client]: ...


class ViewsServer(TestServer):
    """A test's server that leaves the encoding of bodies to the views, as that of a worker does."""

    async def _make_runner(self, **kwargs: Any) -> AppRunner:
        return AppRunner(self.app, auto_decompress=False, **kwargs)


def token(*roles: str, sub: str = "ann", now_ms: int = NOW_MS, **claims: Any) -> str:
    """A token of that provider, good for an hour; a claim of None is left out."""
    all_claims = {"sub": sub, "roles": list(roles), "exp": now_ms / 1000 + 3600} | claims
    given = {name: value for name, value in all_claims.items() if value is not None}
    return jwt.encode({"alg": "HS256"}, given, OctKey.import_key(JWT_SECRET))


def as_role(*roles: str, sub: str = "ann", **claims: Any) -> dict[str, str]:
    """Headers of a caller with these roles."""
    return {"Authorization": f"Bearer {token(*roles, sub=sub, **claims)}"}


class Keyring:
    """API keys in a file, for views without a database."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "keys.jsonl"
        self.file.write_bytes(b"")

    def add(self, *scopes: str, kind: KeyKind = KeyKind.SECRET, roles: Sequence[Role] = (), **changes: Any) -> str:
        """A new key that grants these."""
        now = datetime.fromtimestamp(NOW_MS / 1000, UTC)
        text, key = make_key(kind, "test", secret=b"", now=now, roles=frozenset(roles), scopes=frozenset(scopes))
        with self.file.open("ab") as lines:
            lines.write(msgspec.json.encode(msgspec.structs.replace(key, **changes)) + b"\n")
        return text

    @property
    def settings(self) -> Settings:
        """Views that take these keys."""
        return Settings(_env_file=None, keys_file=self.file, web_public="")

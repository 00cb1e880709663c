"""Where API keys are kept: Postgres, and a file for those who have no Postgres. A worker knows all of them by heart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from aiohttp import web

from ubi_stream.clock import Clock
from ubi_stream.errors import ConfigError
from ubi_stream.sinks.database import DATABASE_ERRORS, sqlstate
from ubi_stream.sinks.queries import Database
from ubi_stream.web.problems import ProblemType, unavailable
from ubi_stream.web.security.keys import ApiKey, KeyKind, hash_key, new_key
from ubi_stream.web.security.principal import Role, Source

FRESH_S: Final = 1.0
"""A key that was revoked opens nothing after this time, at any worker."""
KNOWN_FOR_S: Final = 900.0
"""How long keys are good while the database does not answer."""
_QUERY_S: Final = 1.0
_GUESS_S: Final = 0.1
"""An unknown key makes a worker ask the database at most so often: until then the key waits."""
_TIMER_S: Final = 0.002
"""Timers of the event loop may end so much too early."""
_AGAIN_S: Final = 5.0
"""A database that did not answer is asked again after this time: requests do not wait for it each."""
_COLUMNS: Final = (
    "id, kind, name, hash, roles, scopes, source, requests, created_at, expires_at, revoked_at, last_used_at, "
    "replaced_by"
)
_log = structlog.get_logger(__name__)


class KeyStore:
    """The keys of an installation, as a worker knows them.

    Parameters
    ----------
    pool
        Where keys are kept; None where there is no database.
    secret
        Key of the HMACs.
    file
        Further keys.
    """

    def __init__(
        self, pool: asyncpg.Pool | None, clock: Clock, *, secret: bytes = b"", file: Path | None = None
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._secret = secret
        self._of_file = {key.hash: key for key in read_keys_file(file)} if file is not None else {}
        self._known = dict(self._of_file)
        self._as_of_s: float | None = None if pool is not None else clock.monotonic_s()
        self._ask_from_s = float("-inf")
        self._answers = False
        self._loading: asyncio.Task[None] | None = None
        self._used: dict[str, datetime] = {}

    def now(self) -> datetime:
        """Time by which keys expire."""
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)

    async def find(self, key: str) -> ApiKey | None:
        """The stored key; None where there is no such key, or it is good no longer.

        Raises
        ------
        ProblemError
            The database has not answered for too long: 503.
        """
        await self._refresh()
        hashed = hash_key(key, self._secret)
        found = self._known.get(hashed)
        if found is None and self._answers:  # it may have been made just now
            self._ask_from_s = min(self._ask_from_s, (self._as_of_s or 0.0) + _GUESS_S)
            await asyncio.sleep(self._ask_from_s - self._clock.monotonic_s() + _TIMER_S)
            await self._refresh()
            found = self._known.get(hashed)
        if found is None or not found.is_good(now := self.now()):
            return None
        self._used[found.id] = now
        return found

    async def by_id(self, key_id: str) -> ApiKey | None:
        """A good key by its id, such as the one that opened a session."""
        await self._refresh()
        found = next((key for key in self._known.values() if key.id == key_id), None)
        return found if found is not None and found.is_good(self.now()) else None

    async def is_empty(self) -> bool:
        """Whether there was never a key."""
        await self._refresh()
        return not self._known

    def take_used(self) -> dict[str, datetime]:
        """Which keys were used since this was asked last, and when."""
        used, self._used = self._used, {}
        return used

    async def lifespan(self, _app: web.Application) -> AsyncIterator[None]:
        """Learn the keys before the first request (`cleanup_ctx`)."""
        if self._pool is not None:
            await self._load(self._pool)
        yield

    async def _refresh(self) -> None:
        if self._pool is None:
            return
        if self._clock.monotonic_s() >= self._ask_from_s:
            if self._loading is None:  # one flight, whoever asks
                self._loading = asyncio.create_task(self._load(self._pool), name="api-keys")
            await asyncio.shield(self._loading)
        if self._as_of_s is None or self._clock.monotonic_s() - self._as_of_s > KNOWN_FOR_S:
            raise unavailable(
                ProblemType.DATABASE_UNAVAILABLE, "Keys can't be checked: the database does not answer", retry_after_s=5
            )

    async def _load(self, pool: asyncpg.Pool) -> None:
        try:
            async with asyncio.timeout(_QUERY_S):
                found = await list_keys(pool)
            self._known = self._of_file | {key.hash: key for key in found}
            self._as_of_s = self._clock.monotonic_s()
            self._ask_from_s = self._as_of_s + FRESH_S
            self._answers = True
        except DATABASE_ERRORS as error:
            self._ask_from_s = self._clock.monotonic_s() + _AGAIN_S
            self._answers = False
            _log.warning("keys_not_read", code=sqlstate(error))
        finally:
            self._loading = None


async def list_keys(database: Database) -> list[ApiKey]:
    """All keys, the oldest first."""
    rows = await database.fetch(f"SELECT {_COLUMNS} FROM api_keys ORDER BY created_at, id")
    return [_key(row) for row in rows]


async def create_key(
    database: Database,
    key: ApiKey,
) -> None:
    """Store a new key."""
    await database.fetch(
        "INSERT INTO api_keys (id, kind, name, hash, roles, scopes, source, requests, created_at, expires_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8, $9, $10)",
        key.id,
        key.kind.value,
        key.name,
        key.hash,
        sorted(key.roles),
        sorted(key.scopes),
        msgspec.json.encode(key.source).decode(),
        key.requests,
        key.created_at,
        key.expires_at,
    )


def make_key(  # noqa: PLR0913 - named by keyword, each of its own kind
    kind: KeyKind,
    name: str,
    *,
    secret: bytes,
    now: datetime,
    roles: frozenset[Role] = frozenset(),
    scopes: frozenset[str] = frozenset(),
    source: Source | None = None,
    requests: int | None = None,
    days: float | None = None,
) -> tuple[str, ApiKey]:
    """A new key, shown once, and what is stored of it."""
    text = new_key(kind)
    hashed = hash_key(text, secret)
    return text, ApiKey(
        id=f"key_{hashed.hex()[:16]}",
        kind=kind,
        name=name,
        hash=hashed,
        created_at=now,
        roles=roles,
        scopes=scopes,
        source=source or Source(name=name),
        requests=requests,
        expires_at=None if days is None else now + timedelta(days=days),
    )


async def rotate_key(
    database: Database, old: ApiKey, *, secret: bytes, now: datetime, overlap_s: float
) -> tuple[str, ApiKey]:
    """A key that grants what another does, which expires after the overlap."""
    text, new = make_key(
        old.kind,
        old.name,
        secret=secret,
        now=now,
        roles=old.roles,
        scopes=old.scopes,
        source=old.source,
        requests=old.requests,
    )
    await create_key(database, new)
    await database.fetch(
        "UPDATE api_keys SET replaced_by = $2, expires_at = least(coalesce(expires_at, $3), $3) WHERE id = $1",
        old.id,
        new.id,
        now + timedelta(seconds=overlap_s),
    )
    return text, new


async def revoke_key(database: Database, key_id: str, now: datetime) -> bool:
    """Make a key good for nothing from now on; whether there is such a key."""
    rows = await database.fetch(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1 RETURNING id", key_id, now
    )
    return bool(rows)


async def find_key(database: Database, key_id: str) -> ApiKey | None:
    """A key by its id, good or not."""
    rows = await database.fetch(f"SELECT {_COLUMNS} FROM api_keys WHERE id = $1", key_id)
    return _key(rows[0]) if rows else None


def read_keys_file(file: Path) -> list[ApiKey]:
    """Keys of a file of JSON lines, as `ubi keys create --record` prints them.

    Raises
    ------
    ConfigError
        It can't be read.
    """
    try:
        lines = file.read_bytes().splitlines()
        return [msgspec.json.decode(line, type=ApiKey) for line in lines if line.strip()]
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not a file of keys, one JSON object a line ({error})") from error


def _key(row: Any) -> ApiKey:
    stored = dict(row) | {"source": msgspec.json.decode(row["source"])}
    return msgspec.convert(stored, ApiKey)

"""Reaching Postgres: what an error means, how long to wait, and how to say it.

Errors are told apart by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), never by text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from ubi_stream.clock import Clock
from ubi_stream.errors import ConfigError, DatabaseUnavailableError

CONNECT_TIMEOUT_S = 5.0

STATEMENT_TIMEOUT_S = 30.0
"""Longest time of one statement: a batch takes milliseconds, so a longer one hangs on a lock or a dying disk."""

# The row is the cause: the same row fails again, its neighbours don't.
_POISON_CLASSES = frozenset({"22", "23", "54"})  # data exception, integrity constraint, program limit (row too large)

# The server or its operators are the cause: the same transaction goes through later.
_RETRIABLE_CLASSES = frozenset(
    {
        "08",  # connection
        "28",  # password: it may be rotating
        "3D",  # database missing: it may be restored
        "40",  # serialization failure, deadlock
        "53",  # disk full, out of memory, too many connections
        "55",  # lock not available
        "57",  # shutdown, crash, statement timeout
        "58",  # input or output error of the server
    }
)
_RETRIABLE_STATES = frozenset({"25006", "42501"})  # read-only (a fail-over is under way), privilege withdrawn

# How the driver tells that the server went away between two statements. A subclass of the first is a ValueError: bad
# input. The second one sounds like a bug, but is what a COMMIT gets that meets the closing of its connection.
_CONNECTION_LOST = asyncpg.InterfaceError | asyncpg.InternalClientError

DATABASE_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""All that using a connection can raise."""

_REFUSED_LOGIN_CLASS = "28"
_MISSING_DATABASE = "3D000"


def sqlstate(error: BaseException) -> str:
    """SQLSTATE of an error, or the name of its type where it has none."""
    return getattr(error, "sqlstate", None) or type(error).__name__


def is_poison(error: BaseException) -> bool:
    """Whether the row itself can never be stored.

    >>> is_poison(asyncpg.UntranslatableCharacterError("")), is_poison(asyncpg.DiskFullError(""))
    (True, False)
    """
    if isinstance(error, asyncpg.PostgresError):
        return sqlstate(error)[:2] in _POISON_CLASSES
    # The driver refuses some values before they reach the server, such as a number that doesn't fit.
    return isinstance(error, ValueError | OverflowError)


def is_retriable(error: BaseException) -> bool:
    """Whether the same work can go through later without anybody changing it.

    >>> is_retriable(asyncpg.DeadlockDetectedError("")), is_retriable(asyncpg.UndefinedTableError(""))
    (True, False)
    >>> is_retriable(ConnectionRefusedError())
    True
    """
    if isinstance(error, asyncpg.PostgresError):
        state = sqlstate(error)
        return state[:2] in _RETRIABLE_CLASSES or state in _RETRIABLE_STATES
    return isinstance(error, OSError | _CONNECTION_LOST) and not isinstance(error, ValueError)


class Target(NamedTuple):
    """What a DSN points to, fit for a message: never the password."""

    server: str
    database: str
    user: str

    def __str__(self) -> str:
        return f"{self.server}/{self.database}"


def parse_target(dsn: str) -> Target:
    """Server, database and user of a DSN.

    >>> parse_target("postgresql://ann:secret@db.example:5433/ubi")
    Target(server='db.example:5433', database='ubi', user='ann')
    >>> parse_target("postgresql://postgres:@/ubi?host=/run/pg").server
    '/run/pg'

    Raises
    ------
    ConfigError
        Not a `postgresql://` address, or one whose password has a character that must be percent-encoded.
    """
    parts = urlsplit(dsn)
    if parts.scheme not in ("postgresql", "postgres") or "@" in parts.path:
        raise ConfigError(
            "UBI_POSTGRES_DSN is not an address like postgresql://user:password@host:5432/database "
            "(percent-encode special characters of the password)"
        )
    query = parse_qs(parts.query)
    credentials, _, server = parts.netloc.rpartition("@")
    user = unquote(credentials.partition(":")[0]) or query.get("user", ["postgres"])[0]
    if server and ":" not in server:
        server += ":5432"
    database = unquote(parts.path.lstrip("/")) or query.get("dbname", [user])[0]
    return Target(server or query.get("host", ["localhost"])[0], database, user)


def backoff_s(attempt: int, *, longest_s: float = 5.0, salt: int = 0) -> float:
    """Seconds to wait after the given failed attempt (from 0): doubling from 0.1 s, spread by a quarter either way.

    The spread comes from the attempt and the salt (a process id, say), so that workers do not come back all at once.

    >>> [round(backoff_s(attempt), 2) for attempt in (0, 1, 2, 20)]
    [0.08, 0.21, 0.35, 4.65]
    """
    spread = ((attempt + salt) * 0.618034) % 1.0  # golden ratio: neighbours land far from each other
    return float(min(longest_s, 0.1 * 2 ** min(attempt, 16)) * (0.75 + 0.5 * spread))


class PrepareConnection(Protocol):
    """What to do with a new connection before its first use."""

    async def __call__(self, connection: asyncpg.Connection, /) -> None: ...


async def create_pool(
    dsn: str,
    *,
    size: int,
    application: str,
    init: PrepareConnection | None = None,
    statement_timeout_s: float = STATEMENT_TIMEOUT_S,
) -> asyncpg.Pool:
    """A pool that connects when first used, so it can be made while the database is away.

    Parameters
    ----------
    size
        Most connections at one time.
    application
        Name that `pg_stat_activity` shows.
    init
        Called with each new connection.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=size,
        init=init,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=statement_timeout_s + 5,  # the server's own limit comes first; this one is for a dead network
        server_settings={
            "application_name": application,
            "statement_timeout": str(int(statement_timeout_s * 1000)),
            "timezone": "UTC",
        },
    )


async def wait_for_database(
    dsn: str,
    *,
    within_s: float,
    clock: Clock,
    on_retry: Callable[[int, str], None] = lambda attempt, code: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    salt: int = 0,
) -> None:
    """Return once the server answers; the database itself may still have to be created (`migrations.migrate`).

    Parameters
    ----------
    within_s
        How long to try; there is always one attempt.
    on_retry
        Called before each further attempt with its number (from 1) and the SQLSTATE or type of the last error.

    Raises
    ------
    DatabaseUnavailableError
        No answer in that time, or the server refuses the login (at once: a wrong password does not mend itself).
    """
    target = parse_target(dsn)
    started_s = clock.monotonic_s()
    attempt = 0
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT_S)
        except DATABASE_ERRORS as error:
            code = sqlstate(error)
            if code == _MISSING_DATABASE:
                return
            if code.startswith(_REFUSED_LOGIN_CLASS):
                raise DatabaseUnavailableError(
                    f"Postgres at {target} refuses the login of user {target.user!r} ({code}): check UBI_POSTGRES_DSN"
                ) from error
            wait_s = backoff_s(attempt, salt=salt)
            if not is_retriable(error) or clock.monotonic_s() - started_s + wait_s > within_s:
                patience = f"did not answer within {within_s:g} s" if within_s else "does not answer"
                raise DatabaseUnavailableError(
                    f"Postgres at {target} {patience} ({code}): is it running? UBI_POSTGRES_DSN or --dsn "
                    "names it; `ubi up` starts one on this machine"
                ) from error
        else:
            await connection.close()
            return
        attempt += 1
        on_retry(attempt, code)
        await sleep(wait_s)

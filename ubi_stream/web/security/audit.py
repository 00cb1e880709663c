"""The audit table: who asked for what about whom, written in batches beside the answers."""

from __future__ import annotations

import asyncio
import hmac
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import msgspec
import structlog
from aiohttp import web

from ubi_stream.clock import Clock
from ubi_stream.sinks.database import DATABASE_ERRORS, sqlstate
from ubi_stream.sinks.queries import Database

EVERY_S: Final = 1.0
"""How often lines are written."""
KEPT: Final = 10_000
"""Lines that wait while the database is away; the oldest are lost, and counted, when more come."""
_BATCH: Final = 1_000
_WRITE_S: Final = 5.0
_log = structlog.get_logger(__name__)


class AuditLine(msgspec.Struct, frozen=True):
    """One request. `subject_hash` stands for the user that it is about; `status` is that of the answer."""

    at: datetime
    actor: str
    role: str
    action: str
    route: str
    subject_hash: str | None
    request_id: str
    status: int


class Audit:
    """Collects lines, and writes them to Postgres while the application runs.

    Parameters
    ----------
    pool
        Where the table is; without one, nothing is kept.
    secret
        Keys the hashes of users' ids.
    take_used
        Which keys were used lately, and when: written along.
    on_lost
        Called for each line that is given up.
    """

    def __init__(
        self,
        pool: asyncpg.Pool | None,
        clock: Clock,
        *,
        secret: bytes,
        take_used: Callable[[], dict[str, datetime]] = dict,
        on_lost: Callable[[], object] = lambda: None,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._key = hmac.digest(secret, b"audit", "sha256")
        self._take_used = take_used
        self._on_lost = on_lost
        self._lines: deque[AuditLine] = deque()

    def hash_of(self, subject: str) -> str:
        """What stands for a user's id: nobody without the secret can check a guess."""
        return hmac.digest(self._key, subject.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]

    def note(
        self, *, actor: str, role: str, action: str, route: str, subject: str | None, request_id: str, status: int
    ) -> None:
        """Keep a line; it is written within a second."""
        if self._pool is None:
            return
        if len(self._lines) >= KEPT:
            self._lines.popleft()
            self._on_lost()
        at = datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        hashed = None if subject is None else self.hash_of(subject)
        self._lines.append(AuditLine(at, actor, role, action, route, hashed, request_id, status))

    async def lifespan(self, _app: web.Application) -> AsyncIterator[None]:
        """Write while the application runs, and once more at its end (`cleanup_ctx`)."""
        writing = asyncio.create_task(self._keep_writing(), name="audit")
        yield
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        await self.write()

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await self.write()

    async def write(self) -> None:
        """Write what is there. What can't be written now is kept for the next time."""
        if self._pool is None:
            return
        used, batch = self._take_used(), [self._lines.popleft() for _ in range(min(len(self._lines), _BATCH))]
        if not used and not batch:
            return
        try:
            async with asyncio.timeout(_WRITE_S), self._pool.acquire() as connection, connection.transaction():
                if batch:
                    await connection.copy_records_to_table(
                        "audit",
                        records=[msgspec.structs.astuple(line) for line in batch],
                        columns=AuditLine.__struct_fields__,
                    )
                await connection.executemany(
                    "UPDATE api_keys SET last_used_at = greatest(coalesce(last_used_at, $2), $2) WHERE id = $1",
                    sorted(used.items()),
                )
        except DATABASE_ERRORS as error:
            _log.warning("audit_not_written", code=sqlstate(error), lines=len(self._lines) + len(batch))
            self._lines.extendleft(reversed(batch))


async def newest_lines(
    database: Database,
    *,
    actor: str | None,
    subject_hash: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> list[AuditLine]:
    """Lines that pass the filters, the newest first; `since` is included, `until` is not."""
    filters: list[tuple[str, Any]] = [
        ("actor =", actor),
        ("subject_hash =", subject_hash),
        ("at >=", since),
        ("at <", until),
    ]
    wanted = [(text, value) for text, value in filters if value is not None]
    where = " AND ".join(f"{text} ${number}" for number, (text, _) in enumerate(wanted, 1)) or "true"
    fields = ", ".join(AuditLine.__struct_fields__)
    rows: Any = await database.fetch(
        f"SELECT {fields} FROM audit WHERE {where} ORDER BY at DESC LIMIT ${len(wanted) + 1}",
        *(value for _, value in wanted),
        limit,
    )
    return [AuditLine(**dict(row)) for row in rows]

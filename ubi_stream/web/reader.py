"""Asking the database, within a time; that it is away is an answer, not a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg
import structlog

from ubi_stream.sinks.database import DATABASE_ERRORS, sqlstate
from ubi_stream.sinks.queries import Database
from ubi_stream.web.problems import ProblemType, unavailable

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)

QUERY_TIMEOUT_S: Final = 3.0
"""Longest time of a query, waiting for a connection included: a page asks again, a person gives up."""

RETRY_AFTER_S: Final = 5


class Reader:
    """Runs queries on a pool; without a pool, every query says that there is no database."""

    def __init__(self, pool: asyncpg.Pool | None, *, timeout_s: float = QUERY_TIMEOUT_S) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    async def ask(self, query: Callable[[Database], Awaitable[_T]], *, within_s: float | None = None) -> _T:
        """The answer of a query.

        Raises
        ------
        ProblemError
            The database is away, too slow, or not set up: 503.
        InvalidQueryError
            The query makes no sense.
        """
        if self._pool is None:
            raise unavailable(ProblemType.DATABASE_UNAVAILABLE, "This worker has no database", retry_after_s=60)
        try:
            async with asyncio.timeout(within_s or self._timeout_s):
                return await query(self._pool)
        except DATABASE_ERRORS as error:  # a timeout is an OSError
            _log.warning("query_failed", code=sqlstate(error))
            raise unavailable(
                ProblemType.DATABASE_UNAVAILABLE, "The database does not answer now", retry_after_s=RETRY_AFTER_S
            ) from error

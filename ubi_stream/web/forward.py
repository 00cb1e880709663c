"""Fetching a profile from the worker that has it: whoever asks need not know how users are spread over workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final

import aiohttp
import structlog
from aiohttp import web
from yarl import URL

from ubi_stream.web.middleware.request_id import HEADER as REQUEST_ID
from ubi_stream.web.problems import CONTENT_TYPE as PROBLEM
from ubi_stream.web.problems import ProblemError, ProblemType, unavailable

HOP: Final = "Ubi-Hop"
"""Marks a request from another worker: it is answered or refused, never sent on, so that two workers that hold each
other for the owner do not send it back and forth."""

TIMEOUT_S: Final = 2.0
"""The other worker answers from memory, in milliseconds."""

MAX_BYTES: Final = 1024 * 1024
"""A profile has a few kB."""

_RELAYED: Final = frozenset({"application/json", PROBLEM})
_log = structlog.get_logger(__name__)


class Forwarder:
    """Asks other workers. Its connections live as long as the application."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def lifespan(self, _app: web.Application) -> AsyncIterator[None]:
        """Open and close with the application (`cleanup_ctx`)."""
        async with aiohttp.ClientSession(timeout=self._timeout, trust_env=False) as self._session:
            yield
        self._session = None

    async def fetch(self, base: str, path: URL, query: Mapping[str, str], request_id: str) -> web.Response:
        """The other worker's answer, as it is.

        Parameters
        ----------
        base
            Address of its views.
        path
            Encoded path of the route, from the slash on.

        Raises
        ------
        ProblemError
            It does not answer, or not as a worker of this kind does: 503, for the partition is likely on its way to
            another one.
        """
        assert self._session is not None, "requests come while the application runs"
        url = URL(base.rstrip("/") + path.raw_path, encoded=True).with_query(query)
        try:
            async with self._session.get(
                url, headers={HOP: "1", REQUEST_ID: request_id}, allow_redirects=False
            ) as answer:
                body = await answer.content.read(MAX_BYTES + 1)
                while not answer.content.at_eof() and len(body) <= MAX_BYTES:
                    body += await answer.content.read(MAX_BYTES + 1 - len(body))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:  # ValueError: no address of a worker
            _log.warning("worker_unreachable", error=type(error).__name__)
            raise _unreachable() from error
        if answer.content_type not in _RELAYED or len(body) > MAX_BYTES:
            _log.warning("worker_answers_oddly", status=answer.status, content_type=answer.content_type)
            raise _unreachable()
        headers = {"Retry-After": answer.headers["Retry-After"]} if "Retry-After" in answer.headers else None
        return web.Response(body=body, status=answer.status, content_type=answer.content_type, headers=headers)


def _unreachable() -> ProblemError:
    return unavailable(
        ProblemType.WORKER_UNREACHABLE, "The worker that has this profile does not answer now", retry_after_s=2
    )

"""Asking the worker that has a user: whoever asks need not know how users are spread over workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final

import aiohttp
import structlog
from aiohttp import hdrs, web
from yarl import URL

from ubi_stream.runtime.labels import TAKEN_WITHIN_S
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

_KEPT_HEADERS: Final = (hdrs.RETRY_AFTER, hdrs.LOCATION)
_RELAYED: Final = frozenset({"application/json", PROBLEM})
_log = structlog.get_logger(__name__)


class Forwarder:
    """Asks other workers. Its connections live as long as the application."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._post_timeout = aiohttp.ClientTimeout(total=timeout_s + TAKEN_WITHIN_S)
        self._session: aiohttp.ClientSession | None = None

    async def lifespan(self, _app: web.Application) -> AsyncIterator[None]:
        """Open and close with the application (`cleanup_ctx`)."""
        async with aiohttp.ClientSession(timeout=self._timeout, trust_env=False) as self._session:
            yield
        self._session = None

    async def fetch(self, base: str, path: URL, query: Mapping[str, str], request_id: str) -> web.Response:
        """The other worker's answer to the same question, as it is.

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
        return await self._ask(hdrs.METH_GET, base, path, {REQUEST_ID: request_id}, query=query)

    async def post(self, base: str, path: URL, body: bytes, headers: Mapping[str, str]) -> web.Response:
        """The other worker's answer to what was sent here, as it is; `headers` go along.

        Raises
        ------
        ProblemError
            As for `fetch`. The other worker may have taken it all the same.
        """
        return await self._ask(hdrs.METH_POST, base, path, headers, body=body, within=self._post_timeout)

    async def _ask(
        self,
        method: str,
        base: str,
        path: URL,
        headers: Mapping[str, str],
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        within: aiohttp.ClientTimeout | None = None,
    ) -> web.Response:
        assert self._session is not None, "requests come while the application runs"
        url = URL(base.rstrip("/") + path.raw_path, encoded=True).with_query(query)
        try:
            async with self._session.request(
                method,
                url,
                headers={HOP: "1", **headers},
                data=body,
                allow_redirects=False,
                timeout=within or self._timeout,
            ) as answer:
                found = await answer.content.read(MAX_BYTES + 1)
                while not answer.content.at_eof() and len(found) <= MAX_BYTES:
                    found += await answer.content.read(MAX_BYTES + 1 - len(found))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:  # ValueError: no address of a worker
            _log.warning("worker_unreachable", error=type(error).__name__)
            raise _unreachable() from error
        if answer.content_type not in _RELAYED or len(found) > MAX_BYTES:
            _log.warning("worker_answers_oddly", status=answer.status, content_type=answer.content_type)
            raise _unreachable()
        kept = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
        return web.Response(body=found, status=answer.status, content_type=answer.content_type, headers=kept)


def _unreachable() -> ProblemError:
    return unavailable(
        ProblemType.WORKER_UNREACHABLE, "The worker that has this user does not answer now", retry_after_s=2
    )

"""Asking the worker that has a user: whoever asks need not know how users are spread over workers."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Final

import aiohttp
import structlog
from aiohttp import hdrs, web
from yarl import URL

from ubi_stream.metrics.status import Owner, StateLocation
from ubi_stream.runtime.label_replies import TAKEN_WITHIN_S
from ubi_stream.web.middleware.request_id import HEADER as REQUEST_ID
from ubi_stream.web.middleware.request_id import current_request_id
from ubi_stream.web.problems import CONTENT_TYPE as PROBLEM
from ubi_stream.web.problems import ProblemError, ProblemType, unavailable
from ubi_stream.web.routes import principal_of
from ubi_stream.web.security.guard import HOP
from ubi_stream.web.security.signed import Hops

TIMEOUT_S: Final = 2.0
"""The other worker answers from memory, in milliseconds."""

MAX_BYTES: Final = 1024 * 1024
"""A profile has a few kB."""

_KEPT_HEADERS: Final = (hdrs.RETRY_AFTER, hdrs.LOCATION)
_RELAYED: Final = frozenset({"application/json", PROBLEM})
_log = structlog.get_logger(__name__)


class Forwarder:
    """Asks other workers. Its connections live as long as the application.

    Parameters
    ----------
    hops
        Signs what is sent on: the other worker answers the same sender, and nobody else can say so.
    tls
        How another worker's certificate is checked; None where it is by the authorities of the system.
    """

    def __init__(self, hops: Hops, *, timeout_s: float = TIMEOUT_S, tls: ssl.SSLContext | None = None) -> None:
        self._hops = hops
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._post_timeout = aiohttp.ClientTimeout(total=timeout_s + TAKEN_WITHIN_S)
        self._session: aiohttp.ClientSession | None = None

    async def lifespan(self, _app: web.Application) -> AsyncIterator[None]:
        """Open and close with the application (`cleanup_ctx`)."""
        async with aiohttp.ClientSession(timeout=self._timeout, trust_env=False) as self._session:
            yield
        self._session = None

    def may_ask(self, owner: Owner, request: web.Request) -> bool:
        """Whether a request is sent on.

        Never twice: two workers that each take the other for the owner would send it back and forth.
        """
        return owner.place is StateLocation.ELSEWHERE and owner.url is not None and not principal_of(request).hop

    async def fetch(self, owner: Owner, request: web.Request, query: Mapping[str, str]) -> web.Response:
        """The owner's answer to the same question, as it is; `query` is what it is asked with.

        Raises
        ------
        ProblemError
            It does not answer, or not as a worker of this kind does: 503, for the partition is likely on its way to
            another one.
        """
        return await self._ask(owner, request, hdrs.METH_GET, query, b"", {}, self._timeout)

    async def post(self, owner: Owner, request: web.Request, body: bytes, headers: Mapping[str, str]) -> web.Response:
        """The owner's answer to what was sent here, as it is; `headers` go along.

        Raises
        ------
        ProblemError
            As for `fetch`. The other worker may have taken it all the same.
        """
        return await self._ask(owner, request, request.method, {}, body, headers, self._post_timeout)

    async def _ask(
        self,
        owner: Owner,
        request: web.Request,
        method: str,
        query: Mapping[str, str],
        body: bytes,
        headers: Mapping[str, str],
        within: aiohttp.ClientTimeout,
    ) -> web.Response:
        assert self._session is not None, "requests come while the application runs"
        assert owner.url is not None, "may_ask says so"
        url = URL(owner.url.rstrip("/") + request.rel_url.raw_path, encoded=True).with_query(query or None)
        hop = self._hops.sign(principal_of(request), method, url.raw_path_qs, body)
        try:
            async with self._session.request(
                method,
                url,
                headers={HOP: hop, REQUEST_ID: current_request_id(), **headers},
                data=body or None,
                allow_redirects=False,
                timeout=within,
                ssl=self._tls or True,
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

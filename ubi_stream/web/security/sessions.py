"""A browser's session: a signed cookie that scripts can't read and other sites can't use."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import hdrs, web

from ubi_stream.clock import Clock
from ubi_stream.web.problems import ProblemError, ProblemType
from ubi_stream.web.security.principal import Kind, Principal
from ubi_stream.web.security.signed import Signer

SESSION_S: Final = 8 * 3600.0
"""A working day."""
_MAX_ENDED: Final = 10_000
_SAFE: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


class Sessions:
    """Opens, reads and ends sessions.

    Parameters
    ----------
    secure
        Whether the views are served by TLS: browsers then send the cookie by TLS alone.
    """

    def __init__(self, secret: bytes, clock: Clock, *, secure: bool) -> None:
        self._signer = Signer(secret, "session", clock)
        self._clock = clock
        self._secure = secure
        self._ended: dict[str, float] = {}

    @property
    def cookie(self) -> str:
        """Name of the cookie; the prefix binds it to this host."""
        return "__Host-ubi-session" if self._secure else "ubi-session"

    def open(self, response: web.StreamResponse, principal: Principal) -> None:
        """Have a browser keep a session for this principal."""
        kept = msgspec.structs.replace(principal, kind=Kind.SESSION, hop=False)
        token = self._signer.sign({"for": msgspec.to_builtins(kept)}, for_s=SESSION_S)
        response.set_cookie(
            self.cookie, token, max_age=int(SESSION_S), path="/", httponly=True, secure=self._secure, samesite="Strict"
        )

    def read(self, request: web.Request) -> Principal | None:
        """Whose session a request belongs to.

        Raises
        ------
        ProblemError
            Another site has the browser send it: 403.
        """
        token = request.cookies.get(self.cookie, "")
        claims = self._signer.read(token) if token else None
        if claims is None or token in self._ended:
            return None
        if request.method not in _SAFE and not _is_of_this_site(request):
            raise ProblemError(HTTPStatus.FORBIDDEN, ProblemType.FORBIDDEN, "Another site can't use a session here")
        return msgspec.convert(claims["for"], Principal)

    def end(self, request: web.Request, response: web.StreamResponse) -> None:
        """End a session: the browser forgets the cookie, and this worker takes it no more."""
        now_s = self._clock.monotonic_s()
        token = request.cookies.get(self.cookie)
        if token and self._signer.read(token) is not None:
            self._ended = {one: until for one, until in self._ended.items() if until > now_s}
            if len(self._ended) < _MAX_ENDED:
                self._ended[token] = now_s + SESSION_S
        response.del_cookie(self.cookie, path="/", httponly=True, secure=self._secure, samesite="Strict")


def _is_of_this_site(request: web.Request) -> bool:
    """Whether a page of ours sends the request. Browsers say so in one of two headers that scripts can't set."""
    fetched = request.headers.get("Sec-Fetch-Site")
    if fetched is not None:
        return fetched == "same-origin"
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is not None and urlsplit(origin).netloc == request.host

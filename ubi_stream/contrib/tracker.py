"""What both middlewares have in common: which request is whose, in which session, and what becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

from ubi_stream.clock import Clock
from ubi_stream.contrib.batcher import EventBatcher
from ubi_stream.contrib.capture import EventCapture
from ubi_stream.contrib.rules import EXCLUDED, PAGE_VIEW, RequestRules, Rule
from ubi_stream.privacy.filter import PrivacyFilter
from ubi_stream.privacy.rules import PrivacyRules

COOKIE: Final = "ubi_session"
SESSION_HEADER: Final = "x-session-id"
_MAX_SESSION: Final = 100
_log = logging.getLogger("ubi_stream.contrib")


class Request(NamedTuple):
    """A request as both kinds of hosts have it; names of headers are lower-case. `native` is the host's own object."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    secure: bool
    native: Any


class TrackedVisit(NamedTuple):
    """A request that becomes an event when it is answered."""

    request: Request
    event_type: str
    fields: Mapping[str, str]
    session_id: str
    set_cookie: str | None
    """Header that gives the browser its session; None where it has one."""


UserOf = Callable[[Any], str | None]


class Tracker:
    """Turns requests into events.

    Parameters
    ----------
    batcher
        Where events go.
    rules, excluded, default_event_type
        What becomes of which request (`RequestRules`).
    user_of
        From the host's request (an ASGI scope, an aiohttp request) to the id of its user; None where nobody is logged
        in. It is called after the request was answered. Default: what Starlette's and aiohttp's usual places say.
    anonymous
        Whether requests of nobody are events of their session: the session's id is the user's then.
    consent
        From the host's request to whether its user agreed; without agreement there is no cookie and no event.
    respect_signals
        Whether `DNT: 1` and `Sec-GPC: 1` count as no agreement.
    keep_query
        Whether `page_url` has the query too, without its secrets and personal data.
    privacy
        What is hidden before an event leaves the process.
    """

    def __init__(  # noqa: PLR0913 - named by keyword, each of its own kind
        self,
        batcher: EventBatcher,
        *,
        rules: Sequence[Rule] = (),
        excluded: Sequence[str] = EXCLUDED,
        default_event_type: str | None = PAGE_VIEW,
        user_of: UserOf | None = None,
        anonymous: bool = True,
        consent: Callable[[Any], bool] | None = None,
        respect_signals: bool = True,
        keep_query: bool = False,
        privacy: PrivacyFilter | PrivacyRules | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.capture = EventCapture(batcher, privacy=PrivacyRules() if privacy is None else privacy, clock=clock)
        self._rules = RequestRules(rules, excluded=excluded, default=default_event_type)
        self._user_of = user_of
        self._anonymous = anonymous
        self._consent = consent
        self._respect_signals = respect_signals
        self._keep_query = keep_query

    def begin(self, request: Request) -> TrackedVisit | None:
        """Look at a request before it is answered; None where it becomes no event. Never raises."""
        try:
            return self._begin(request)
        except Exception as error:  # noqa: BLE001 - the host's request must never fail for this
            self._fault(error)
            return None

    def finish(self, visit: TrackedVisit, status: int, duration_ms: float, default_user: UserOf) -> None:
        """Make the event of a request that was answered. Never raises."""
        try:
            request = visit.request
            user_id = (self._user_of or default_user)(request.native)
            if user_id is None and not self._anonymous:
                return
            url = f"{request.path}?{request.query}" if self._keep_query and request.query else request.path
            properties = {
                "page_url": url,
                "method": request.method,
                "status": status,
                "duration_ms": round(duration_ms, 3),
                "session_id": visit.session_id,
                **visit.fields,
            }
            self.capture.track(
                visit.event_type,
                visit.session_id if user_id is None else str(user_id),
                properties,
                session_id=visit.session_id,
            )
        except Exception as error:  # noqa: BLE001 - the host's request must never fail for this
            self._fault(error)

    def _begin(self, request: Request) -> TrackedVisit | None:
        found = self._rules.event_of(request.method, request.path, request.query, request.headers)
        if found is None or not self._may_track(request):
            return None
        event_type, fields = found
        session_id = _session_of(request.headers)
        if session_id is not None:
            return TrackedVisit(request, event_type, fields, session_id, None)
        session_id = str(uuid4())
        secure = "; Secure" if request.secure else ""
        cookie = f"{COOKIE}={session_id}; Path=/; HttpOnly; SameSite=Lax{secure}"
        return TrackedVisit(request, event_type, fields, session_id, cookie)

    def _may_track(self, request: Request) -> bool:
        if self._respect_signals and "1" in (request.headers.get("dnt"), request.headers.get("sec-gpc")):
            return False
        return self._consent is None or self._consent(request.native)

    def _fault(self, error: Exception) -> None:
        self.capture.batcher.counts.errors += 1
        _log.error("a request could not be tracked: %s", type(error).__name__)


def _session_of(headers: Mapping[str, str]) -> str | None:
    """The session that a request names, in our header or our cookie."""
    named = headers.get(SESSION_HEADER, "").strip()
    if 0 < len(named) <= _MAX_SESSION and named.isprintable():
        return named
    cookies = headers.get("cookie", "")
    if COOKIE not in cookies:
        return None
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
        return None if morsel is None else str(UUID(morsel.value))
    except (CookieError, ValueError):
        return None

"""Tracking for any ASGI application: Starlette, FastAPI, Django, Quart, or one written by hand.

app = BehavioralTrackingMiddleware(app, url="http://collector:8088", key="ubi_ingest_…")
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ubi_stream.contrib.batcher import EventBatcher
from ubi_stream.contrib.tracker import Request, TrackedVisit, Tracker

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class BehavioralTrackingMiddleware:
    """Captures a host's requests as events, after they were answered.

    Nothing of the collector's state reaches the host: while it is away events wait in a bounded buffer, and what finds
    that full is counted. What the host raises goes on as it was, with status 500 in the event.

    Parameters
    ----------
    app
        The host.
    url, key
        Address of the collector, and an ingest key.
    batcher
        In place of `url` and `key`: one that is made already.
    options
        Of the `Tracker`: `rules`, `excluded`, `user_of`, `consent`, `privacy` and so on.
    """

    def __init__(
        self,
        app: App,
        *,
        url: str = "http://127.0.0.1:8088",
        key: str | None = None,
        batcher: EventBatcher | None = None,
        **options: Any,
    ) -> None:
        self._app = app
        self.batcher = EventBatcher(url, key) if batcher is None else batcher
        self._tracker = Tracker(self.batcher, **options)
        self.capture = self._tracker.capture

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or pass on what is none."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        visit = self._tracker.begin(_request(scope)) if scope["type"] == "http" else None
        if visit is None:
            await self._app(scope, receive, send)
        else:
            await self._tracked(visit, scope, receive, send)

    async def _tracked(self, visit: TrackedVisit, scope: Scope, receive: Receive, send: Send) -> None:
        started_s, status = time.perf_counter(), 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if visit.set_cookie is not None:
                    cookie = (b"set-cookie", visit.set_cookie.encode("latin-1"))
                    message = {**message, "headers": [*message.get("headers", ()), cookie]}
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        finally:
            self._tracker.finish(visit, status, (time.perf_counter() - started_s) * 1000, user_of_scope)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The host's start and stop; events that wait are sent when it stops."""

        async def send_on(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                await self.batcher.close()
            await send(message)

        await self._app(scope, receive, send_on)


def user_of_scope(scope: Scope) -> str | None:
    """The user whom an authentication middleware left in the scope: `user.identity`, `user.id`, or `state.user_id`."""
    user = scope.get("user")
    for name in ("identity", "id", "pk"):
        try:
            found = getattr(user, name, None)
        except NotImplementedError:  # Starlette's, of a user who has none
            continue
        if found:
            return str(found)
    state = scope.get("state")
    found = state.get("user_id") if isinstance(state, dict) else getattr(state, "user_id", None)
    return str(found) if found else None


def _request(scope: Scope) -> Request:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        secure=scope.get("scheme") == "https" or headers.get("x-forwarded-proto") == "https",
        native=scope,
    )

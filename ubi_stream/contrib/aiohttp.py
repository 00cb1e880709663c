"""Tracking for an aiohttp application.

track(app, url="http://collector:8088", key="ubi_ingest_…")
"""

from __future__ import annotations

import time
from typing import Any, Final

from aiohttp import web

from ubi_stream.contrib.batcher import EventBatcher
from ubi_stream.contrib.capture import EventCapture
from ubi_stream.contrib.tracker import Request, TrackedVisit, Tracker

CAPTURE: Final = web.AppKey("ubi_capture", EventCapture)
"""Where the application's `EventCapture` is: `request.app[CAPTURE].purchase(…)`."""
_VISIT: Final[Any] = web.RequestKey("ubi_visit", TrackedVisit) if hasattr(web, "RequestKey") else "ubi_visit"
"""Keys of requests have a type since aiohttp 3.14."""


def track(
    app: web.Application,
    *,
    url: str = "http://127.0.0.1:8088",
    key: str | None = None,
    batcher: EventBatcher | None = None,
    **options: Any,
) -> EventCapture:
    """Have an application's requests captured as events, after they were answered.

    Parameters
    ----------
    app
        One that has not started yet.
    url, key
        Address of the collector, and an ingest key.
    batcher
        In place of `url` and `key`: one that is made already.
    options
        Of the `Tracker`: `rules`, `excluded`, `user_of`, `consent`, `privacy` and so on.

    Returns
    -------
    EventCapture
        For events that are no requests; also at `app[CAPTURE]`.
    """
    batcher = EventBatcher(url, key) if batcher is None else batcher
    tracker = Tracker(batcher, **options)

    @web.middleware
    async def tracked(request: web.Request, handler: Any) -> web.StreamResponse:
        visit = tracker.begin(_request(request))
        if visit is None:
            return await handler(request)  # type: ignore[no-any-return]  # a handler of the host
        request[_VISIT] = visit
        started_s, status = time.perf_counter(), 500
        try:
            response: web.StreamResponse = await handler(request)
            status = response.status
        except web.HTTPException as answer:
            status = answer.status
            raise
        finally:
            tracker.finish(visit, status, (time.perf_counter() - started_s) * 1000, user_of_request)
        return response

    async def close(_app: web.Application) -> None:
        await batcher.close()

    app.middlewares.append(tracked)
    app.on_response_prepare.append(_set_cookie)
    app.on_cleanup.append(close)
    app[CAPTURE] = tracker.capture
    return tracker.capture


def user_of_request(request: web.Request) -> str | None:
    """The user whom the host's own middleware left at `request["user_id"]`."""
    found = request.get("user_id")
    return str(found) if found else None


async def _set_cookie(request: web.Request, response: web.StreamResponse) -> None:
    visit: TrackedVisit | None = request.get(_VISIT)
    if visit is not None and visit.set_cookie is not None:
        response.headers.add("Set-Cookie", visit.set_cookie)


def _request(request: web.Request) -> Request:
    headers = {name.lower(): value for name, value in request.headers.items()}
    secure = request.secure or headers.get("x-forwarded-proto") == "https"
    return Request(request.method, request.path, request.query_string, headers, secure, request)

"""Every request has an id, which its answer and its log lines carry."""

from __future__ import annotations

import re
import uuid
from contextvars import ContextVar

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

HEADER = "X-Request-Id"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


_current: ContextVar[str] = ContextVar("request_id")


def current_request_id() -> str:
    """The id of the request that is being answered."""
    return _current.get()


@web.middleware
async def with_request_id(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take the caller's id where it has a harmless one, else make one."""
    given = request.headers.get(HEADER, "")
    request_id = given if _ACCEPTABLE.fullmatch(given) else uuid.uuid4().hex
    _current.set(request_id)
    with structlog.contextvars.bound_contextvars(request_id=request_id):  # for log lines
        response = await handler(request)
    if not response.prepared:
        response.headers[HEADER] = request_id
    return response

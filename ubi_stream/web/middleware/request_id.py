"""Every request has an id, which its answer and its log lines carry."""

from __future__ import annotations

import re
import uuid

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

HEADER = "X-Request-Id"
_KEY = "request_id"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def request_id(request: web.Request) -> str:
    """The id of a request that came through `with_request_id`."""
    return str(request[_KEY])


@web.middleware
async def with_request_id(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Take the caller's id where it has a harmless one, else make one."""
    given = request.headers.get(HEADER, "")
    request[_KEY] = given if _ACCEPTABLE.fullmatch(given) else uuid.uuid4().hex
    with structlog.contextvars.bound_contextvars(request_id=request_id(request)):
        response = await handler(request)
    response.headers[HEADER] = request_id(request)
    return response

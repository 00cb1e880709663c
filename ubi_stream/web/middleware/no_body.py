"""The views only read: a request with a body is a mistake, and its body is not read."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from ubi_stream.web.problems import ProblemError, ProblemType


@web.middleware
async def refuse_bodies(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request with a body, of whatever size, and close its connection."""
    if request.can_read_body:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            ProblemType.UNEXPECTED_BODY,
            "No request to this API has a body",
            headers={"Connection": "close"},
        )
    return await handler(request)

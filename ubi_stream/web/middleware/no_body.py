"""Only what is sent to a route that takes something has a body: else it is a mistake, and its body is not read."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from ubi_stream.web.problems import ProblemError, ProblemType


@web.middleware
async def refuse_bodies(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a request with a body, of whatever size, and close its connection, unless it is a POST to a route."""
    takes_body = request.method == hdrs.METH_POST and request.match_info.http_exception is None
    if request.can_read_body and not takes_body:
        raise ProblemError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            ProblemType.UNEXPECTED_BODY,
            "Only a POST to this API has a body",
            headers={"Connection": "close"},
        )
    return await handler(request)

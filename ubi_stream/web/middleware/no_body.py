"""A body that is sent where no route is: it is not read."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from ubi_stream.web.dispatch import unexpected_body


@web.middleware
async def refuse_bodies(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a body, of whatever size, that no route takes, and close its connection."""
    if request.can_read_body and request.match_info.http_exception is not None:
        raise unexpected_body()
    return await handler(request)

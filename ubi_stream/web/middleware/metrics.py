"""Counts every request, and how long it took."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from ubi_stream.clock import Clock
from ubi_stream.runtime.http_metrics import HttpMetrics


def counted(metrics: HttpMetrics, clock: Clock) -> Middleware:
    """A middleware that counts by the route's pattern, which has no user's id in it."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        start_s = clock.monotonic_s()
        response = await handler(request)
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unknown"
        metrics.count(route, request.method, response.status, clock.monotonic_s() - start_s)
        return response

    return count

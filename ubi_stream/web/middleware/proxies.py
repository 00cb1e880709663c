"""Whose request it is that a trusted proxy hands on."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Network, IPv6Network, ip_address

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp_remotes import XForwardedFiltered


def behind(proxies: Collection[IPv4Network | IPv6Network]) -> Middleware:
    """A middleware that takes the caller's address from `X-Forwarded-For`, but of these proxies alone."""
    forwarded = XForwardedFiltered(set(proxies))

    @web.middleware
    async def find_caller(request: web.Request, handler: Handler) -> web.StreamResponse:
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        if not peer or not any(ip_address(peer[0]) in network for network in proxies):
            return await handler(request)
        return await forwarded.middleware(request, handler)

    return find_caller

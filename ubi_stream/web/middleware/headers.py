"""Headers that keep browsers from doing more with an answer than the page needs."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

# The page's script and style are files of ours: nothing inline, nothing from elsewhere, no frames, no forms.
_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # addresses of the API have user ids in them
    "Server": "ubi-stream",  # instead of the versions of the libraries
    "X-Content-Type-Options": "nosniff",
}


@web.middleware
async def safe_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Set these headers; and, unless the view says otherwise, that nobody keeps the answer."""
    response = await handler(request)
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response

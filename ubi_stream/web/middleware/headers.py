"""Headers that keep browsers from doing more with an answer than the page needs."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from ubi_stream.web.security.guard import BUDGET

# The page's script and style are files of ours: nothing inline, nothing from elsewhere, no frames, no forms.
CONTENT_SECURITY_POLICY = "; ".join(
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
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
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
    if response.prepared:  # a stream has sent its own
        return response
    budget = request.get(BUDGET)
    for name, value in (HEADERS | (budget.headers if budget else {})).items():
        response.headers.setdefault(name, value)
    if request.secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    response.headers.setdefault("Cache-Control", "no-store")
    return response

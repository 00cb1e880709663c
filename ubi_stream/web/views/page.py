"""The live page: a document, its scripts and its style, all shipped with the package."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

STATIC_FILES: Final = (
    "app.js",
    "charts.js",
    "dom.js",
    "figures.js",
    "insights.js",
    "models.js",
    "user.js",
    "worth.js",
    "app.css",
    "icon.svg",
)
"""What the document needs, served under `/static/`."""
_FOLDER: Final = Path(__file__).resolve().parent.parent / "static"
_TYPES: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class StaticFile:
    """One shipped file, read once. Browsers ask each time whether it has changed."""

    def __init__(self, name: str) -> None:
        path = _FOLDER / name
        self._content_type = _TYPES[path.suffix]
        self._body = path.read_bytes()
        self._etag = hashlib.sha256(self._body).hexdigest()[:16]

    async def serve(self, request: web.Request) -> web.Response:
        """The file; or that it is still the one the browser has."""
        if any(tag.value == self._etag for tag in request.if_none_match or ()):
            response = web.Response(status=304)
        else:
            response = web.Response(body=self._body, content_type=self._content_type, charset="utf-8")
        response.etag = self._etag
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"
        return response

"""The live page: a document, its scripts and its style, all shipped with the package."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from ubi_stream.web.routes import ANYBODY, Answer, Limit, Route

STATIC_FILES: Final = (
    "app.js",
    "charts.js",
    "dom.js",
    "figures.js",
    "insights.js",
    "models.js",
    "session.js",
    "user.js",
    "worth.js",
    "app.css",
    "icon.svg",
)
"""What the document needs, served under `/static/`."""
_FOLDER: Final = Path(__file__).resolve().parent.parent / "static"
_TYPES: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def page_routes() -> list[Route]:
    """The page's rows of the route table: nothing in these files is about anybody, and the log-in is one of them."""
    return [
        _route("/", "index.html", "The live page"),
        *(_route(f"/static/{name}", name, "A file of the live page") for name in STATIC_FILES),
    ]


def _route(path: str, name: str, summary: str) -> Route:
    file = StaticFile(name)
    answers = (Answer(media_type=file.content_type), Answer(status=304, media_type=""))
    return Route("GET", path, file.serve, summary, roles=ANYBODY, answers=answers, limit=Limit.PUBLIC)


class StaticFile:
    """One shipped file, read once. Browsers ask each time whether it has changed."""

    def __init__(self, name: str) -> None:
        path = _FOLDER / name
        self.content_type = _TYPES[path.suffix]
        self._body = path.read_bytes()
        self._etag = hashlib.sha256(self._body).hexdigest()[:16]

    async def serve(self, request: web.Request) -> web.Response:
        """The file; or that it is still the one the browser has."""
        if any(tag.value == self._etag for tag in request.if_none_match or ()):
            response = web.Response(status=304)
        else:
            response = web.Response(body=self._body, content_type=self.content_type, charset="utf-8")
        response.etag = self._etag
        response.headers[hdrs.CACHE_CONTROL] = "no-cache"
        return response

"""The API's own description: OpenAPI, a page that shows it without a network, and a page for language models."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from ubi_stream.web.middleware.headers import CONTENT_SECURITY_POLICY
from ubi_stream.web.openapi import openapi
from ubi_stream.web.routes import ANYBODY, Answer, Exposure, Handler, Limit, Route
from ubi_stream.web.security.principal import READERS

_FOLDER: Final = Path(__file__).resolve().parent.parent / "static"
_POLICY: Final = CONTENT_SECURITY_POLICY.replace("img-src 'self'", "img-src 'self' data:")
"""Swagger UI has its icons in its style."""
_FILES: Final = {
    "swagger.js": ("swagger_bundle.js", "text/javascript"),
    "swagger.css": ("swagger_style.css", "text/css"),
}


class Documentation:
    """Routes of the documentation.

    Parameters
    ----------
    routes
        The whole route table, that of the documentation included: it is read when it is asked for.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = routes
        self._document = b""

    def rows(self) -> list[Route]:
        """Its rows of the route table."""
        return [
            _docs("/api/openapi.json", self.openapi, "This description, as OpenAPI 3.1", "application/json"),
            _docs("/api/docs", _page, "This description, as a page", "text/html"),
            _docs("/api/docs/init.js", _script, "Script of that page", "text/javascript"),
            *(_docs(f"/api/docs/{name}", _file, "A file of that page", kind) for name, (_, kind) in _FILES.items()),
            Route("GET", "/llms.txt", self.for_models, "What there is here, for language models", roles=ANYBODY,
                  answers=(Answer(media_type="text/plain"),), limit=Limit.PUBLIC),
        ]  # fmt: skip

    async def openapi(self, _request: web.Request) -> web.Response:
        """The document, made once."""
        if not self._document:
            self._document = msgspec.json.encode(openapi(self._routes))
        return web.Response(body=self._document, content_type="application/json")

    async def for_models(self, _request: web.Request) -> web.Response:
        """What the API is, and each of its routes in a line."""
        lines = [
            "# ubi-stream",
            "",
            "> User-behaviour intelligence: explained insights into what users do, from a stream of events.",
            "> It advises, and acts on nobody. Routes below /api need `Authorization: Bearer <key>`.",
            "> Errors are application/problem+json (RFC 9457). Times are ISO 8601 in UTC.",
            "> /api/openapi.json has parameters, bodies and answers.",
            "",
            "## Routes",
            "",
            *(f"- {route.method} {route.path}: {route.summary}" for route in self._routes if "/api/v1" in route.path),
        ]
        return web.Response(text="\n".join(lines) + "\n", content_type="text/plain")


def documentation_routes(routes: Sequence[Route]) -> list[Route]:
    """Rows of the route table that describe it."""
    return Documentation(routes).rows()


def _docs(path: str, handler: Handler, summary: str, media_type: str) -> Route:
    answers = (Answer(media_type=media_type),)
    return Route("GET", path, handler, summary, roles=READERS, scope="docs:read", answers=answers,
                 limit=Limit.PUBLIC, exposure=Exposure.DOCS)  # fmt: skip


async def _page(_request: web.Request) -> web.Response:
    return _static("docs.html", "text/html")


async def _script(_request: web.Request) -> web.Response:
    return _static("docs.js", "text/javascript")


async def _file(request: web.Request) -> web.Response:
    name, kind = _FILES[request.path.rpartition("/")[2]]
    return web.Response(body=_of_swagger(name), content_type=kind, charset="utf-8")


def _static(name: str, kind: str) -> web.Response:
    headers = {"Content-Security-Policy": _POLICY}
    return web.Response(body=(_FOLDER / name).read_bytes(), content_type=kind, charset="utf-8", headers=headers)


@cache
def _of_swagger(name: str) -> bytes:
    """A file of the package that ships Swagger UI; importing it would read nine megabytes."""
    found = importlib.util.find_spec("offapi")
    assert found is not None, "it is one of our dependencies"
    assert found.origin is not None, "it is a package of files"
    return (Path(found.origin).parent / name).read_bytes()

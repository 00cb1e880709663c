"""Puts the route table on a router: what a request has to pass before its handler sees it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final, Protocol

from aiohttp import hdrs, web

from ubi_stream.web.bodies import read_body, read_document
from ubi_stream.web.middleware.request_id import current_request_id
from ubi_stream.web.problems import ProblemError, ProblemType
from ubi_stream.web.query import check_query, read_query
from ubi_stream.web.routes import AnyQuery, Handler, Route, accept

_PART: Final = re.compile(r"\{(\w+)\}")


class Guard(Protocol):
    """Decides who may call a route."""

    async def admit(self, route: Route, request: web.Request) -> None:
        """Find out who sent a request, and whether they may call the route, before its body is read.

        Raises
        ------
        ProblemError
            They may not, or not so often.
        """
        ...

    async def admit_by_body(self, route: Route, request: web.Request, body: bytes) -> None:
        """The same once the body is there, for routes that find a key in it."""
        ...

    async def answered(self, route: Route, request: web.Request, status: int) -> None:
        """Note how a request to an audited route was answered."""
        ...


def add_routes(app: web.Application, routes: Iterable[Route], guard: Guard) -> None:
    """Put all routes on an application's router."""
    for route in routes:
        check_query(route.query)
        handler = _served(route, guard)
        for path in (route.path, *route.also):
            resource = app.router.add_resource(_PART.sub(r"{\1:[^/]+}", path))  # a slash in an id comes as %2F
            resource.add_route(route.method, handler)
            if route.method == hdrs.METH_GET:
                resource.add_route(hdrs.METH_HEAD, handler)


def _served(route: Route, guard: Guard) -> Handler:
    async def serve(request: web.Request) -> web.StreamResponse:
        status = HTTPStatus.INTERNAL_SERVER_ERROR.value
        try:
            response = await _answer(route, guard, request)
            status = response.status
            return response
        except ProblemError as error:
            status = error.status
            if route.errors is None:
                raise
            return route.errors(error, current_request_id())
        finally:
            await guard.answered(route, request, status)

    return serve


async def _answer(route: Route, guard: Guard, request: web.Request) -> web.StreamResponse:
    await guard.admit(route, request)
    query = AnyQuery() if route.query is AnyQuery else read_query(request.query.items(), route.query)
    body, document = b"", None
    if route.body is not None:
        body = await read_body(request, route.body)
        await guard.admit_by_body(route, request, body)
        document = read_document(body, route.body.type) if route.body.type is not None else None
    elif request.can_read_body:
        raise unexpected_body()
    accept(request, query, body, document)
    return await route.handler(request)


def unexpected_body() -> ProblemError:
    """Only what is sent to a route that takes something has a body: else it is a mistake, and is not read."""
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        ProblemType.UNEXPECTED_BODY,
        "This route takes no body",
        headers={hdrs.CONNECTION: "close"},
    )

"""Visits: read from the database alone, so every worker answers."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from ubi_stream.sinks.queries import MAX_PAGE
from ubi_stream.sinks.visit_queries import VisitFilter, VisitPage, newest_visits
from ubi_stream.web.parameters import Parameters, entity_id
from ubi_stream.web.problems import ProblemError, ProblemType, json_response
from ubi_stream.web.reader import Reader
from ubi_stream.web.views.insights import DEFAULT_PAGE

_FILTERS: Final = ("user_id", "segment", "session_id", "since", "until", "limit", "cursor")


class Visits:
    """Routes of single visits."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def page(self, request: web.Request) -> web.Response:
        """One page of the visits that pass the filters, the newest end first."""
        return json_response(await self._page(request))

    async def behavior_segments(self, request: web.Request) -> web.Response:
        """The same with the fields of the view `user_behavior_segments` alone."""
        page = await self._page(request)
        rows: list[dict[str, Any]] = [visit.behavior_row() for visit in page.visits]
        return json_response({"visits": rows, "next_cursor": page.next_cursor})

    async def one(self, request: web.Request) -> web.Response:
        """The visit with a session id; the newest, if a producer used that id again."""
        parameters = Parameters(request, ("user_id",))
        wanted = VisitFilter(session_id=entity_id(request), user_id=parameters.text("user_id"))
        page = await self._reader.ask(partial(newest_visits, wanted=wanted, limit=1))
        if not page.visits:
            raise ProblemError(
                HTTPStatus.NOT_FOUND, ProblemType.UNKNOWN_VISIT, "No visit with this session id has ended"
            )
        return json_response(page.visits[0])

    async def _page(self, request: web.Request) -> VisitPage:
        parameters = Parameters(request, _FILTERS)
        since, until = parameters.span()
        wanted = VisitFilter(
            user_id=parameters.text("user_id"),
            segment=parameters.text("segment"),
            session_id=parameters.text("session_id"),
            since=since,
            until=until,
        )
        limit = parameters.whole_number("limit", DEFAULT_PAGE, least=1, most=MAX_PAGE)
        query = partial(newest_visits, wanted=wanted, limit=limit, cursor=parameters.text("cursor"))
        return await self._reader.ask(query)

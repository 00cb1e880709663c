"""Visits: read from the database alone, so every worker answers."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta

from ubi_stream.sinks.queries import MAX_PAGE
from ubi_stream.sinks.visit_queries import StoredVisit, VisitFilter, VisitPage, newest_visits
from ubi_stream.web.problems import ProblemError, ProblemType, json_response
from ubi_stream.web.query import entity_id, ordered
from ubi_stream.web.reader import Reader
from ubi_stream.web.routes import Answer, Route, query_of
from ubi_stream.web.security.principal import OWN_READERS
from ubi_stream.web.views.insights import DEFAULT_PAGE

_Entity = Annotated[str, Meta(description="Kind of entity whose visits are meant")]


class VisitsQuery(msgspec.Struct, frozen=True):
    """Parameters of a page of visits."""

    entity: _Entity = "user"
    user_id: Annotated[str | None, Meta(description="Id of a user, or of another entity")] = None
    segment: Annotated[str | None, Meta(description="Class of the visit")] = None
    session_id: Annotated[str | None, Meta(description="Session id of the visit")] = None
    since: Annotated[datetime | None, Meta(description="Earliest end of the visit, included")] = None
    until: Annotated[datetime | None, Meta(description="Latest end of the visit, not included")] = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Visits of a page")] = DEFAULT_PAGE
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the page before")] = None


class VisitQuery(msgspec.Struct, frozen=True):
    """Parameters of one visit."""

    entity: _Entity = "user"
    user_id: Annotated[str | None, Meta(description="Id of the user, or of another entity")] = None


class BehaviorPage(msgspec.Struct, frozen=True):
    """Visits with the fields of the view `user_behavior_segments` alone."""

    visits: list[dict[str, Any]]
    next_cursor: str | None


class Visits:
    """Routes of single visits."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def routes(self) -> list[Route]:
        """Its rows of the route table."""
        page = Route(
            "GET",
            "/api/v1/visits",
            self.page,
            "Visits, filtered, page by page",
            roles=OWN_READERS,
            scope="visits:read",
            query=VisitsQuery,
            answers=(Answer(VisitPage),),
            problems=(ProblemType.DATABASE_UNAVAILABLE,),
            own="query:user_id",
            audited=True,
        )
        return [
            page,
            msgspec.structs.replace(
                page,
                path="/api/v1/visits/{id}",
                handler=self.one,
                summary="One visit by its session id",
                query=VisitQuery,
                answers=(Answer(StoredVisit),),
                problems=(*page.problems, ProblemType.UNKNOWN_VISIT),
            ),
            msgspec.structs.replace(
                page,
                path="/api/segments/user_behavior_segments",
                handler=self.behavior_segments,
                summary="Visits with the fields of that view",
                answers=(Answer(BehaviorPage),),
            ),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """One page of the visits that pass the filters, the newest end first."""
        return json_response(await self._page(request))

    async def behavior_segments(self, request: web.Request) -> web.Response:
        """The same with the fields of the view `user_behavior_segments` alone."""
        page = await self._page(request)
        rows: list[dict[str, Any]] = [visit.behavior_row() for visit in page.visits]
        return json_response(BehaviorPage(rows, page.next_cursor))

    async def one(self, request: web.Request) -> web.Response:
        """The visit with a session id; the newest, if a producer used that id again."""
        asked = query_of(request, VisitQuery)
        wanted = VisitFilter(session_id=entity_id(request), user_id=asked.user_id, entity=asked.entity)
        page = await self._reader.ask(partial(newest_visits, wanted=wanted, limit=1))
        if not page.visits:
            raise ProblemError(
                HTTPStatus.NOT_FOUND, ProblemType.UNKNOWN_VISIT, "No visit with this session id has ended"
            )
        return json_response(page.visits[0])

    async def _page(self, request: web.Request) -> VisitPage:
        asked = query_of(request, VisitsQuery)
        since, until = ordered(asked.since, asked.until)
        wanted = VisitFilter(
            user_id=asked.user_id,
            segment=asked.segment,
            session_id=asked.session_id,
            since=since,
            until=until,
            entity=asked.entity,
        )
        return await self._reader.ask(partial(newest_visits, wanted=wanted, limit=asked.limit, cursor=asked.cursor))

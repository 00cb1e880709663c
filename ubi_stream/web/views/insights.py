"""Insights of all entities."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from ubi_stream.insights.model import InsightKind, Severity
from ubi_stream.sinks.queries import MAX_PAGE, InsightFilter, InsightPage, newest_insights
from ubi_stream.web.problems import ProblemType, json_response
from ubi_stream.web.query import ordered
from ubi_stream.web.reader import Reader
from ubi_stream.web.routes import Answer, Route, query_of
from ubi_stream.web.security.principal import OWN_READERS

DEFAULT_PAGE: Final = 50
"""Insights of a page, unless asked for otherwise."""

_TEXT_FILTERS: Final = ("user_id", "pack", "entity", "label", "session_id", "segment", "trace_id")


class InsightsQuery(msgspec.Struct, frozen=True):
    """Parameters of a page of insights."""

    kind: Annotated[InsightKind | None, Meta(description="Kind of the insight")] = None
    severity: Annotated[Severity | None, Meta(description="Severity of the insight")] = None
    user_id: Annotated[str | None, Meta(description="Id of a user, or of another entity")] = None
    pack: Annotated[str | None, Meta(description="Name of a pack")] = None
    entity: Annotated[str | None, Meta(description="Kind of entity")] = None
    label: Annotated[str | None, Meta(description="What was found: a rule, a segment, an outcome")] = None
    session_id: Annotated[str | None, Meta(description="Session id of the causing event")] = None
    segment: Annotated[str | None, Meta(description="The user's segment then")] = None
    trace_id: Annotated[str | None, Meta(description="Trace id of the causing event")] = None
    min_confidence: Annotated[Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="Least confidence")] = None
    since: Annotated[datetime | None, Meta(description="Earliest time of the causing event, included")] = None
    until: Annotated[datetime | None, Meta(description="Latest time of the causing event, not included")] = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Insights of a page")] = DEFAULT_PAGE
    cursor: Annotated[str | None, Meta(description="`next_cursor` of the page before")] = None


class Insights:
    """A route that reads the database alone: every worker answers it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def routes(self) -> list[Route]:
        """Its row of the route table."""
        return [
            Route(
                "GET",
                "/api/v1/insights",
                self.page,
                "Insights, filtered, page by page",
                roles=OWN_READERS,
                scope="insights:read",
                query=InsightsQuery,
                answers=(Answer(InsightPage),),
                problems=(ProblemType.DATABASE_UNAVAILABLE,),
                own="query:user_id",
                audited=True,
            )
        ]

    async def page(self, request: web.Request) -> web.Response:
        """One page of the insights that pass the filters, newest first."""
        asked = query_of(request, InsightsQuery)
        since, until = ordered(asked.since, asked.until)
        wanted = InsightFilter(
            kind=asked.kind,
            severity=asked.severity,
            **{name: getattr(asked, name) for name in _TEXT_FILTERS},
            min_confidence=asked.min_confidence,
            since=since,
            until=until,
        )
        query = partial(newest_insights, wanted=wanted, limit=asked.limit, cursor=asked.cursor)
        return json_response(await self._reader.ask(query))

"""Insights of all entities."""

from __future__ import annotations

from functools import partial
from typing import Final

from aiohttp import web

from ubi_stream.insights.model import InsightKind, Severity
from ubi_stream.sinks.queries import MAX_PAGE, InsightFilter, newest_insights
from ubi_stream.web.parameters import Parameters
from ubi_stream.web.problems import json_response
from ubi_stream.web.reader import Reader

DEFAULT_PAGE: Final = 50
"""Insights of a page, unless asked for otherwise."""

_TEXT_FILTERS: Final = ("user_id", "pack", "entity", "label", "session_id", "segment", "trace_id")
_FILTERS: Final = ("kind", "severity", *_TEXT_FILTERS, "min_confidence", "since", "until")


class Insights:
    """A route that reads the database alone: every worker answers it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def page(self, request: web.Request) -> web.Response:
        """One page of the insights that pass the filters, newest first."""
        parameters = Parameters(request, (*_FILTERS, "limit", "cursor"))
        since, until = parameters.span()
        wanted = InsightFilter(
            kind=parameters.choice("kind", InsightKind),
            severity=parameters.choice("severity", Severity),
            **{name: parameters.text(name) for name in _TEXT_FILTERS},
            min_confidence=parameters.share("min_confidence"),
            since=since,
            until=until,
        )
        limit = parameters.whole_number("limit", DEFAULT_PAGE, least=1, most=MAX_PAGE)
        query = partial(newest_insights, wanted=wanted, limit=limit, cursor=parameters.text("cursor"))
        return json_response(await self._reader.ask(query))

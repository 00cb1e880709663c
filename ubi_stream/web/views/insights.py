"""Insights of all entities, and what they add up to by segment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from ubi_stream.insights.model import InsightKind, Severity
from ubi_stream.insights.windows import PANE_MS
from ubi_stream.sinks.queries import (
    MAX_PAGE,
    Database,
    FunnelStep,
    InsightFilter,
    SegmentShare,
    conversion_funnel,
    newest_insights,
    newest_pane,
    segment_distribution,
)
from ubi_stream.web.parameters import Parameters
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import json_response
from ubi_stream.web.reader import Reader

DEFAULT_PAGE: Final = 50
"""Insights of a page, unless asked for otherwise."""

_DAY: Final = timedelta(days=1)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_PANE: Final = timedelta(milliseconds=PANE_MS)
_FILTERS: Final = ("kind", "severity", "user_id", "pack", "entity", "since", "until")


class SegmentReport(msgspec.Struct, frozen=True):
    """Counts over a span. An entity is counted once in each five-minute pane in which it was active."""

    pack: str
    entity: str
    since: datetime | None
    until: datetime | None
    distribution: list[SegmentShare]
    funnel: list[FunnelStep]


class Insights:
    """Routes that read the database alone: every worker answers them."""

    def __init__(self, port: WorkerPort, reader: Reader) -> None:
        self._port = port
        self._reader = reader

    async def page(self, request: web.Request) -> web.Response:
        """One page of the insights that pass the filters, newest first."""
        parameters = Parameters(request, (*_FILTERS, "limit", "cursor"))
        since, until = parameters.span()
        wanted = InsightFilter(
            kind=parameters.choice("kind", InsightKind),
            severity=parameters.choice("severity", Severity),
            user_id=parameters.text("user_id"),
            pack=parameters.text("pack"),
            entity=parameters.text("entity"),
            since=since,
            until=until,
        )
        limit = parameters.whole_number("limit", DEFAULT_PAGE, least=1, most=MAX_PAGE)
        query = partial(newest_insights, wanted=wanted, limit=limit, cursor=parameters.text("cursor"))
        return json_response(await self._reader.ask(query))

    async def segments(self, request: web.Request) -> web.Response:
        """Active users by segment, and their funnel, over a span; by default the newest day that has any."""
        parameters = Parameters(request, ("pack", "entity", "since", "until"))
        since, until = parameters.span()
        query = partial(
            _segments,
            pack=parameters.text("pack") or self._port.pack.name,
            entity=parameters.text("entity") or "user",
            since=since,
            until=until,
        )
        return json_response(await self._reader.ask(query))


async def _segments(
    database: Database, *, pack: str, entity: str, since: datetime | None, until: datetime | None
) -> SegmentReport:
    if until is None:
        newest = await newest_pane(database, pack=pack, entity=entity)
        if newest is None:
            return SegmentReport(pack, entity, since, None, [], [])
        until = newest + _PANE
    if since is None:
        since = max(until, _EARLIEST + _DAY) - _DAY
    return SegmentReport(
        pack,
        entity,
        since,
        until,
        await segment_distribution(database, pack=pack, entity=entity, since=since, until=until),
        await conversion_funnel(database, pack=pack, entity=entity, since=since, until=until),
    )

"""Users by segment, visits by class, and their funnel: read from the database alone, so every worker answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from ubi_stream.sinks.queries import Database
from ubi_stream.sinks.segment_queries import (
    ClassFunnel,
    ClassShare,
    SegmentCount,
    SegmentShare,
    class_distribution,
    class_funnel,
    newest_pane,
    newest_visit_end,
    segment_history,
    segment_shares,
)
from ubi_stream.web.ports import PackPort
from ubi_stream.web.problems import ProblemType, json_response
from ubi_stream.web.query import ordered
from ubi_stream.web.reader import Reader
from ubi_stream.web.routes import Answer, Handler, Route, query_of
from ubi_stream.web.security.principal import READERS

BUCKETS: Final = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
_DAY: Final = timedelta(days=1)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


class Shares(msgspec.Struct, frozen=True):
    """Active users by their present segment. A user counts once in each bucket of the span."""

    pack: str
    entity: str
    since: datetime | None
    until: datetime | None
    bucket: str
    distribution: list[SegmentShare]


class History(msgspec.Struct, frozen=True):
    """Active users by segment in buckets of a span."""

    pack: str
    entity: str
    since: datetime | None
    until: datetime | None
    bucket: str
    history: list[SegmentCount]


class Distribution(msgspec.Struct, frozen=True):
    """Visits by class in buckets of a span."""

    pack: str
    since: datetime | None
    until: datetime | None
    bucket: str
    distribution: list[ClassShare]


class Funnel(msgspec.Struct, frozen=True):
    """What the visits of a span come to, by class."""

    pack: str
    since: datetime | None
    until: datetime | None
    funnel: list[ClassFunnel]


_Bucket = Literal["5m", "1h", "1d"]
_Pack = Annotated[str | None, Meta(description="Name of a pack; the worker's unless given")]
_Entity = Annotated[str, Meta(description="Kind of entity")]
_Since = Annotated[datetime | None, Meta(description="Start of the span, included")]
_Until = Annotated[datetime | None, Meta(description="End of the span, not included")]


class SharesQuery(msgspec.Struct, frozen=True):
    """Parameters of users by segment."""

    pack: _Pack = None
    entity: _Entity = "user"
    since: _Since = None
    until: _Until = None
    bucket: Annotated[_Bucket, Meta(description="Width of a bucket")] = "1d"


class HistoryQuery(SharesQuery, frozen=True):
    """Parameters of users by segment over time."""

    bucket: Annotated[_Bucket, Meta(description="Width of a bucket")] = "1h"


class FunnelQuery(msgspec.Struct, frozen=True):
    """Parameters of what visits come to."""

    pack: _Pack = None
    entity: _Entity = "user"
    since: _Since = None
    until: _Until = None


class DistributionQuery(FunnelQuery, frozen=True):
    """Parameters of visits by class over time."""

    bucket: Annotated[_Bucket, Meta(description="Width of a bucket")] = "1h"


class SegmentViews:
    """Routes of segments and of visit classes."""

    def __init__(self, port: PackPort, reader: Reader) -> None:
        self._port = port
        self._reader = reader

    def routes(self) -> list[Route]:
        """Its rows of the route table."""
        return [
            _route("", self.shares, "How active users are spread over segments", SharesQuery, Shares),
            _route("/history", self.history, "How active users are spread over segments, over time",
                   HistoryQuery, History),
            _route("/distribution", self.distribution, "How visits are spread over classes, over time",
                   DistributionQuery, Distribution),
            _route("/funnel", self.funnel, "What visits of each class come to", FunnelQuery, Funnel),
        ]  # fmt: skip

    async def shares(self, request: web.Request) -> web.Response:
        """Active users by segment; by default of the newest bucket, which may still be open."""
        asked = query_of(request, SharesQuery)
        since, until = ordered(asked.since, asked.until)
        query = partial(
            _shares, pack=self._pack(asked.pack), entity=asked.entity, since=since, until=until, bucket=asked.bucket
        )
        return json_response(await self._reader.ask(query))

    async def history(self, request: web.Request) -> web.Response:
        """Active users by segment over time; by default the day up to the newest bucket, by the hour."""
        asked = query_of(request, HistoryQuery)
        since, until = ordered(asked.since, asked.until)
        query = partial(
            _history, pack=self._pack(asked.pack), entity=asked.entity, since=since, until=until, bucket=asked.bucket
        )
        return json_response(await self._reader.ask(query))

    async def distribution(self, request: web.Request) -> web.Response:
        """Visits by class over time; by default the day up to the newest visit, by the hour."""
        asked = query_of(request, DistributionQuery)
        since, until = ordered(asked.since, asked.until)
        pack = self._pack(asked.pack)
        return json_response(
            await self._reader.ask(
                partial(_distribution, pack=pack, entity=asked.entity, since=since, until=until, bucket=asked.bucket)
            )
        )

    async def funnel(self, request: web.Request) -> web.Response:
        """What visits come to by class; by default over the day up to the newest visit."""
        asked = query_of(request, FunnelQuery)
        since, until = ordered(asked.since, asked.until)
        pack = self._pack(asked.pack)
        query = partial(_funnel, pack=pack, entity=asked.entity, since=since, until=until)
        return json_response(await self._reader.ask(query))

    def _pack(self, pack: str | None) -> str:
        return pack or self._port.pack.name


def _route(
    rest: str, handler: Handler, summary: str, query: type[msgspec.Struct], answer: type[msgspec.Struct]
) -> Route:
    return Route(
        "GET",
        f"/api/v1/segments{rest}",
        handler,
        summary,
        roles=READERS,
        scope="segments:read",
        query=query,
        answers=(Answer(answer),),
        problems=(ProblemType.DATABASE_UNAVAILABLE,),
    )


async def _shares(
    database: Database, *, pack: str, entity: str, since: datetime | None, until: datetime | None, bucket: str
) -> Shares:
    width = BUCKETS[bucket]
    if until is None:
        newest = await newest_pane(database, pack=pack, entity=entity, width=width)
        if newest is None:
            return Shares(pack, entity, since, None, bucket, [])
        until = newest + width
    if since is None:
        since = max(until, _EARLIEST + width) - width
    found = await segment_shares(database, pack=pack, entity=entity, since=since, until=until, width=width)
    return Shares(pack, entity, since, until, bucket, found)


async def _history(
    database: Database, *, pack: str, entity: str, since: datetime | None, until: datetime | None, bucket: str
) -> History:
    width = BUCKETS[bucket]
    if until is None:
        newest = await newest_pane(database, pack=pack, entity=entity, width=width)
        until = None if newest is None else newest + width
    if until is None:
        return History(pack, entity, since, None, bucket, [])
    since = since or max(until, _EARLIEST + _DAY) - _DAY
    found = await segment_history(database, pack=pack, entity=entity, since=since, until=until, width=width)
    return History(pack, entity, since, until, bucket, found)


async def _distribution(
    database: Database, *, pack: str, entity: str, since: datetime | None, until: datetime | None, bucket: str
) -> Distribution:
    since, until = await _span(database, pack, entity, since, until)
    if since is None or until is None:
        return Distribution(pack, since, until, bucket, [])
    found = await class_distribution(
        database, pack=pack, since=since, until=until, bucket=BUCKETS[bucket], entity=entity
    )
    return Distribution(pack, since, until, bucket, found)


async def _funnel(
    database: Database, *, pack: str, entity: str, since: datetime | None, until: datetime | None
) -> Funnel:
    since, until = await _span(database, pack, entity, since, until)
    if since is None or until is None:
        return Funnel(pack, since, until, [])
    return Funnel(pack, since, until, await class_funnel(database, pack=pack, since=since, until=until, entity=entity))


async def _span(
    database: Database, pack: str, entity: str, since: datetime | None, until: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Both ends of a span: up to the newest visit, and a day long, where nothing else was asked for."""
    if until is None:
        until = await newest_visit_end(database, pack=pack, entity=entity)
    if until is not None and since is None:
        since = max(until, _EARLIEST + _DAY) - _DAY
    return since, until

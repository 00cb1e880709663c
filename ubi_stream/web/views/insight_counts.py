"""How many insights of each severity came, over time: read from the database alone, so every worker answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from ubi_stream.sinks.insight_counts import SeverityCount, insight_counts, newest_insight_end
from ubi_stream.sinks.queries import Database
from ubi_stream.web.ports import PackPort
from ubi_stream.web.problems import ProblemType, json_response
from ubi_stream.web.query import ordered
from ubi_stream.web.reader import Reader
from ubi_stream.web.routes import Answer, Route, query_of
from ubi_stream.web.security.principal import READERS
from ubi_stream.web.views.segments import BUCKETS

COUNT_BUCKETS: Final = {"1m": timedelta(minutes=1)} | BUCKETS
_DAY: Final = timedelta(days=1)
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


class Counts(msgspec.Struct, frozen=True):
    """Insights by severity in buckets of a span."""

    pack: str
    since: datetime | None
    until: datetime | None
    bucket: str
    counts: list[SeverityCount]


class CountsQuery(msgspec.Struct, frozen=True):
    """Parameters of the numbers of insights."""

    pack: Annotated[str | None, Meta(description="Name of a pack; the worker's unless given")] = None
    since: Annotated[datetime | None, Meta(description="Start of the span, included")] = None
    until: Annotated[datetime | None, Meta(description="End of the span, not included")] = None
    bucket: Annotated[Literal["1m", "5m", "1h", "1d"], Meta(description="Width of a bucket")] = "1h"


class InsightCounts:
    """Route of the numbers of insights."""

    def __init__(self, port: PackPort, reader: Reader) -> None:
        self._port = port
        self._reader = reader

    def routes(self) -> list[Route]:
        """Its row of the route table."""
        return [
            Route(
                "GET",
                "/api/v1/insights/counts",
                self.counts,
                "How many insights of each severity came, over time",
                roles=READERS,
                scope="insights:read",
                query=CountsQuery,
                answers=(Answer(Counts),),
                problems=(ProblemType.DATABASE_UNAVAILABLE,),
            )
        ]

    async def counts(self, request: web.Request) -> web.Response:
        """Insights by severity over time; by default the day up to the newest one, by the hour."""
        asked = query_of(request, CountsQuery)
        since, until = ordered(asked.since, asked.until)
        pack = asked.pack or self._port.pack.name
        return json_response(
            await self._reader.ask(partial(_counts, pack=pack, since=since, until=until, bucket=asked.bucket))
        )


async def _counts(
    database: Database, *, pack: str, since: datetime | None, until: datetime | None, bucket: str
) -> Counts:
    until = until or await newest_insight_end(database, pack=pack)
    if until is None:
        return Counts(pack, since, None, bucket, [])
    since = since or max(until, _EARLIEST + _DAY) - _DAY
    width = COUNT_BUCKETS[bucket]
    return Counts(
        pack, since, until, bucket, await insight_counts(database, pack=pack, since=since, until=until, bucket=width)
    )

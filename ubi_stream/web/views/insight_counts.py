"""How many insights of each severity came, over time: read from the database alone, so every worker answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from ubi_stream.sinks.insight_counts import SeverityCount, insight_counts, newest_insight_end
from ubi_stream.sinks.queries import Database
from ubi_stream.web.parameters import Parameters
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import json_response
from ubi_stream.web.reader import Reader
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


class InsightCounts:
    """Route of the numbers of insights."""

    def __init__(self, port: WorkerPort, reader: Reader) -> None:
        self._port = port
        self._reader = reader

    async def counts(self, request: web.Request) -> web.Response:
        """Insights by severity over time; by default the day up to the newest one, by the hour."""
        parameters = Parameters(request, ("pack", "since", "until", "bucket"))
        since, until = parameters.span()
        query = partial(
            _counts,
            pack=parameters.text("pack") or self._port.pack.name,
            since=since,
            until=until,
            bucket=parameters.choice("bucket", COUNT_BUCKETS) or "1h",
        )
        return json_response(await self._reader.ask(query))


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

"""Users by segment, visits by class, and their funnel: read from the database alone, so every worker answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

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
from ubi_stream.web.parameters import Parameters
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import json_response
from ubi_stream.web.reader import Reader

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


class Segments:
    """Routes of segments and of visit classes."""

    def __init__(self, port: WorkerPort, reader: Reader) -> None:
        self._port = port
        self._reader = reader

    async def shares(self, request: web.Request) -> web.Response:
        """Active users by segment; by default of the newest bucket, which may still be open."""
        parameters = Parameters(request, ("pack", "entity", "since", "until", "bucket"))
        since, until = parameters.span()
        query = partial(
            _shares,
            pack=self._pack(parameters),
            entity=parameters.text("entity") or "user",
            since=since,
            until=until,
            bucket=parameters.choice("bucket", BUCKETS) or "1d",
        )
        return json_response(await self._reader.ask(query))

    async def history(self, request: web.Request) -> web.Response:
        """Active users by segment over time; by default the day up to the newest bucket, by the hour."""
        parameters = Parameters(request, ("pack", "entity", "since", "until", "bucket"))
        since, until = parameters.span()
        query = partial(
            _history,
            pack=self._pack(parameters),
            entity=parameters.text("entity") or "user",
            since=since,
            until=until,
            bucket=parameters.choice("bucket", BUCKETS) or "1h",
        )
        return json_response(await self._reader.ask(query))

    async def distribution(self, request: web.Request) -> web.Response:
        """Visits by class over time; by default the day up to the newest visit, by the hour."""
        parameters = Parameters(request, ("pack", "since", "until", "bucket"))
        since, until = parameters.span()
        bucket = parameters.choice("bucket", BUCKETS) or "1h"
        pack = self._pack(parameters)
        return json_response(
            await self._reader.ask(partial(_distribution, pack=pack, since=since, until=until, bucket=bucket))
        )

    async def funnel(self, request: web.Request) -> web.Response:
        """What visits come to by class; by default over the day up to the newest visit."""
        parameters = Parameters(request, ("pack", "since", "until"))
        since, until = parameters.span()
        pack = self._pack(parameters)
        return json_response(await self._reader.ask(partial(_funnel, pack=pack, since=since, until=until)))

    def _pack(self, parameters: Parameters) -> str:
        return parameters.text("pack") or self._port.pack.name


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
    database: Database, *, pack: str, since: datetime | None, until: datetime | None, bucket: str
) -> Distribution:
    since, until = await _span(database, pack, since, until)
    if since is None or until is None:
        return Distribution(pack, since, until, bucket, [])
    found = await class_distribution(database, pack=pack, since=since, until=until, bucket=BUCKETS[bucket])
    return Distribution(pack, since, until, bucket, found)


async def _funnel(database: Database, *, pack: str, since: datetime | None, until: datetime | None) -> Funnel:
    since, until = await _span(database, pack, since, until)
    if since is None or until is None:
        return Funnel(pack, since, until, [])
    return Funnel(pack, since, until, await class_funnel(database, pack=pack, since=since, until=until))


async def _span(
    database: Database, pack: str, since: datetime | None, until: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Both ends of a span: up to the newest visit, and a day long, where nothing else was asked for."""
    if until is None:
        until = await newest_visit_end(database, pack=pack)
    if until is not None and since is None:
        since = max(until, _EARLIEST + _DAY) - _DAY
    return since, until

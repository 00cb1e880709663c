"""Is the process alive, is it ready, and what do its metrics say."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from ubi_stream.metrics.metrics import Metrics
from ubi_stream.metrics.status import Check
from ubi_stream.sinks.queries import Database
from ubi_stream.web.ports import ReadinessPort
from ubi_stream.web.problems import ProblemError, ProblemType, json_response, unavailable
from ubi_stream.web.reader import Reader
from ubi_stream.web.routes import Answer, Exposure, Limit, Route
from ubi_stream.web.security.principal import READERS

_DATABASE_WITHIN_S: Final = 1.0
"""Supervisors give a probe one second by default."""


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class Readiness(msgspec.Struct, frozen=True):
    """What a worker needs, each of which is there."""

    status: str
    checks: list[Check]


class Health:
    """Routes for supervisors and for Prometheus."""

    def __init__(self, port: ReadinessPort, reader: Reader, metrics: Metrics) -> None:
        self._port = port
        self._reader = reader
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """Its rows of the route table."""
        return [
            Route("GET", "/health/live", self.live, "The process answers", roles=READERS, scope="health:read",
                  answers=(Answer(Alive),), limit=Limit.PUBLIC, exposure=Exposure.HEALTH),
            Route("GET", "/health/ready", self.ready, "Broker, recovery and database are there", roles=READERS,
                  scope="health:read", answers=(Answer(Readiness),), problems=(ProblemType.NOT_READY,),
                  limit=Limit.PUBLIC, exposure=Exposure.HEALTH),
            Route("GET", "/metrics", self.metrics, "Metrics for Prometheus", roles=READERS, scope="metrics:read",
                  answers=(Answer(media_type="text/plain"),), limit=Limit.PUBLIC, exposure=Exposure.METRICS),
        ]  # fmt: skip

    async def live(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return json_response(Alive("alive"))

    async def ready(self, _request: web.Request) -> web.Response:
        """All that the worker needs is there; else 503 with the checks that fail."""
        checks = [*self._port.readiness(), await self._database()]
        failing = [check for check in checks if not check.ok]
        if failing:
            names = ", ".join(check.name for check in failing)
            raise unavailable(ProblemType.NOT_READY, f"Not ready: {names}", retry_after_s=2, checks=failing)
        return json_response(Readiness("ready", checks))

    async def metrics(self, _request: web.Request) -> web.Response:
        """All metrics in Prometheus' text format."""
        body, content_type = self._metrics.render()
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _database(self) -> Check:
        try:
            await self._reader.ask(_ping, within_s=_DATABASE_WITHIN_S)
        except ProblemError as error:
            return Check("database", ok=False, message=error.detail)
        return Check("database", ok=True)


async def _ping(database: Database) -> None:
    await database.fetch("SELECT 1")

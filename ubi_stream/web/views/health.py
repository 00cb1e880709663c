"""Is the process alive, is it ready, and what do its metrics say."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from ubi_stream.runtime.metrics import Metrics
from ubi_stream.runtime.status import Check
from ubi_stream.sinks.queries import Database
from ubi_stream.web.ports import WorkerPort
from ubi_stream.web.problems import ProblemError, ProblemType, json_response, unavailable
from ubi_stream.web.reader import Reader

_DATABASE_WITHIN_S: Final = 1.0
"""Supervisors give a probe one second by default."""


class Health:
    """Routes for supervisors and for Prometheus."""

    def __init__(self, port: WorkerPort, reader: Reader, metrics: Metrics) -> None:
        self._port = port
        self._reader = reader
        self._metrics = metrics

    async def live(self, _request: web.Request) -> web.Response:
        """The process answers."""
        return json_response({"status": "alive"})

    async def ready(self, _request: web.Request) -> web.Response:
        """All that the worker needs is there; else 503 with the checks that fail."""
        checks = [*self._port.readiness(), await self._database()]
        failing = [check for check in checks if not check.ok]
        if failing:
            names = ", ".join(check.name for check in failing)
            raise unavailable(ProblemType.NOT_READY, f"Not ready: {names}", retry_after_s=2, checks=failing)
        return json_response({"status": "ready", "checks": checks})

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

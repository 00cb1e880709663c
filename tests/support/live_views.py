"""Views for a browser: on an address that outlives a restart, with rows in a real Postgres."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
from aiohttp.test_utils import TestServer, unused_port

from support.sink_rows import INSIGHTS, insight_row, stretch
from support.web_worker import T0, MemoryWorker, event
from ubi_stream.clock import SystemClock
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.settings import Settings
from ubi_stream.sinks.base import InsightRow
from ubi_stream.sinks.postgres import PostgresSink
from ubi_stream.web.app import create_web

SUMMARY = "Opened 40 pages within a minute"
CLAIM = {"feature": "events_5m", "value": 40.0, "unit": "events", "op": ">", "bound": 8.0, "bound_is": "own_usual"}


def notable(number: int, severity: str, *, evidence: dict[str, Any] | None = None, **changes: Any) -> InsightRow:
    """The insight of that number, with one claim, and further evidence."""
    shown = {"claims": [CLAIM]} | (evidence or {})
    changes = {"summary": SUMMARY, "evidence": json.dumps(shown), "kind": "risk"} | changes
    return insight_row(number, severity=severity, **changes)


class LiveViews:
    """Views that can be stopped and started again, and what their pages read.

    Attributes
    ----------
    url
        Address of the live page.
    sink
        Writes what the pages show.
    """

    def __init__(self, sink: PostgresSink, pool: asyncpg.Pool) -> None:
        self.sink = sink
        self._pool = pool
        self._port = unused_port()
        self._server: TestServer | None = None
        self._written = 0
        self.url = f"http://127.0.0.1:{self._port}/"

    async def start(self, settings: Settings | None = None) -> None:
        worker = MemoryWorker(events=[event("u1", "view", T0 + 1_000 * n, category="shoes") for n in range(5)])
        app = create_web(
            worker, self._pool, Metrics(worker.pack), SystemClock(), query_timeout_s=5.0, settings=settings
        )
        self._server = TestServer(app, port=self._port)
        await self._server.start_server()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.close()
        self._server = None

    async def add(self, *rows: InsightRow) -> None:
        """Write further insights."""
        end = self._written + len(rows)
        await self.sink.write(stretch(INSIGHTS, self._written, end, *rows))
        self._written = end

"""schemathesis sends what the description of the API allows, and what it does not: every answer is as described."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support.collecting import memory_intake
from support.sink_rows import insights_stretch
from support.web_access import TOKENS, token
from support.web_worker import SECRET, T0, MemoryWorker, event
from ubi_stream.clock import SystemClock
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.sinks.database import create_pool
from ubi_stream.sinks.migrations import migrate
from ubi_stream.sinks.postgres import PostgresSink
from ubi_stream.web.app import ROUTES, create_web
from ubi_stream.web.openapi import openapi
from ubi_stream.web.server import WebServer

EXAMPLES = 6
"""Of each operation and mode: the suite has seconds for this, `schemathesis run` on a running worker has hours."""
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture
async def served(database: str) -> AsyncIterator[tuple[dict[str, Any], str]]:
    """The description of running views with rows in a Postgres, and their address."""
    await migrate(database)
    sink, pool = PostgresSink(database, clock=SystemClock()), await create_pool(database, size=4, application="test")
    await sink.write(insights_stretch(0, 20))
    worker = MemoryWorker("ecommerce", [event("u1", "view", T0 + n) for n in range(5)])
    unlimited = TOKENS.model_copy(update={"rate_limit_max": 1_000_000, "rate_limit_ingest_max": 1_000_000})
    app = create_web(
        worker,
        pool,
        Metrics(worker.pack),
        SystemClock(),
        settings=unlimited,
        secret=SECRET,
        intake=memory_intake(),
    )
    server = WebServer(app, host="127.0.0.1", port=0)
    await server.start()
    table = app[ROUTES]
    yield openapi(table), server.url
    await server.stop()
    await pool.close()
    await sink.close()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
async def test_every_answer_is_as_described(served: tuple[dict[str, Any], str], mode: GenerationMode) -> None:
    document, url = served
    headers = {"Authorization": f"Bearer {token('admin', now_ms=SystemClock().now_ms())}"}
    called = await asyncio.to_thread(call_all, document, url, headers, mode)
    assert called >= len(document["paths"])


def call_all(document: dict[str, Any], url: str, headers: dict[str, str], mode: GenerationMode) -> int:
    """Call every operation with some examples; returns the number of calls."""
    schema = schemathesis.openapi.from_dict(document)
    called = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if mode is GenerationMode.NEGATIVE and not (operation.query or operation.body):
            continue  # nothing to get wrong

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(mode))
        def call(case: Case[Any]) -> None:
            nonlocal called
            called += 1
            case.call_and_validate(base_url=url, headers=headers, checks=CHECKS, timeout=10)

        call()
    return called

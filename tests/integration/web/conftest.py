"""The views of a worker in front of a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.live_views import LiveViews
from ubi_stream.clock import SystemClock
from ubi_stream.sinks.database import create_pool
from ubi_stream.sinks.migrations import migrate
from ubi_stream.sinks.postgres import PostgresSink


@pytest.fixture
async def views(database: str) -> AsyncIterator[LiveViews]:
    """Running views without insights; their worker knows the user u1."""
    await migrate(database)
    sink = PostgresSink(database, clock=SystemClock())
    pool = await create_pool(database, size=2, application="test")
    views = LiveViews(sink, pool)
    await views.start()
    yield views
    await views.stop()
    await pool.close()
    await sink.close()

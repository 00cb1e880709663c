"""Slow servers: what a worker's memory comes to when the database stands still, and when the broker is slow.

A backlog waits on the events topic throughout, so the worker could always take in more than it can get rid of.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.race.contest import PRODUCT, Runner, Track, watched
from ubi_stream.local.service import LocalService

_TURN_S: Final = 0.3
"""A slow broker answers nothing for so long, then works for a third of it."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """A worker's memory, in MiB: after a fifth of the backlog, and at most until its end."""

    what: str
    events_per_s: float
    early_mb: float
    peak_mb: float


async def measure(track: Track, events: int) -> list[Pressed]:
    """The same backlog with servers as they are, a database that stands still, and a slow broker."""
    cases: dict[str, Callable[[], AsyncIterator[None]]] = {
        "servers as they are": _nothing,
        "the database stands still": lambda: _paused(track.postgres),
        "the broker answers a quarter of the time": lambda: _slowed(track.kafka),
    }
    return [await _case(track, what, slowly, events) for what, slowly in cases.items()]


async def _case(track: Track, what: str, slowly: Callable[[], AsyncIterator[None]], events: int) -> Pressed:
    async with track.prepared(PRODUCT) as settings:
        runner = Runner(PRODUCT, settings, track.folder, what.replace(" ", "-"))
        runner.start()
        try:
            await watched([runner], 1)  # it has begun: a worker does not start without its servers
            async with asynccontextmanager(slowly)():
                course = await watched([runner], events, stalled_after_s=60.0)
        finally:
            runner.stop()
    early = next(sample for sample in course.samples if sample.events >= events / 5)
    return Pressed(what, course.events_per_s, early.resident / 2**20, course.peak_mb)


async def _nothing() -> AsyncIterator[None]:
    yield


async def _paused(server: LocalService) -> AsyncIterator[None]:
    server.pause()
    try:
        yield
    finally:
        server.resume()


async def _slowed(server: LocalService) -> AsyncIterator[None]:
    async def take_turns() -> None:
        while True:
            server.pause()
            await asyncio.sleep(_TURN_S)
            server.resume()
            await asyncio.sleep(_TURN_S / 3)

    task = asyncio.create_task(take_turns())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.resume()

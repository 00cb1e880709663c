"""More workers, more partitions: what a million events cost then, as on few cores rates say little."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from benchmarks.race.contest import PRODUCT, Runner, Track, is_ready, until, watched
from benchmarks.race.inputs import load, shoppers

_READY_WITHIN_S: Final = 120.0
_SETTLED_S: Final = 2.0
"""Workers that join one after the other move partitions; after so long with all of them ready, they don't."""


@dataclass(frozen=True, slots=True)
class Scaled:
    """So many workers on so many partitions."""

    workers: int
    partitions: int
    events_per_s: float
    cpu_s_per_million: float
    peak_mb: float


async def measure(track: Track, workers: int, events: int, users: int) -> Scaled:
    """Let workers share a topic, which gets its events when all of them are there."""
    async with track.prepared(PRODUCT) as settings:
        runners = [
            Runner(
                PRODUCT,
                settings.model_copy(update={"instance_id": f"worker-{number}"}),
                track.folder,
                f"scaled-{workers}-{settings.partitions}-{number}",
            )
            for number in range(workers)
        ]
        try:
            for runner in runners:
                runner.start()
            await _all_ready(runners)
            await load(settings, shoppers(events, users))
            course = await watched(runners, events)
        finally:
            for runner in runners:
                runner.stop()
        return Scaled(workers, settings.partitions, course.events_per_s, course.cpu_s_per_million, course.peak_mb)


async def _all_ready(runners: Sequence[Runner]) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:

        async def ready() -> bool:
            return all([await is_ready(session, runner) for runner in runners])

        await until(ready, _READY_WITHIN_S, "all workers are ready")
        await asyncio.sleep(_SETTLED_S)
        await until(ready, _READY_WITHIN_S, "all workers are ready")

"""More workers, more partitions: what a million events cost then, as on few cores rates say little."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.race.contest import PRODUCT, Runner, Track, watched


@dataclass(frozen=True, slots=True)
class Scaled:
    """So many workers on so many partitions."""

    workers: int
    partitions: int
    events_per_s: float
    cpu_s_per_million: float
    peak_mb: float


async def measure(track: Track, workers: int, events: int) -> Scaled:
    """Let workers share a topic."""
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
            course = await watched(runners, events)
        finally:
            for runner in runners:
                runner.stop()
        return Scaled(workers, settings.partitions, course.events_per_s, course.cpu_s_per_million, course.peak_mb)

"""What a contestant's processes take while it runs: processor time and memory, by time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

import psutil

SAMPLE_S: Final = 0.1
"""Between two looks."""
WARM_UP: Final = 0.1
"""Share of the events before the rate counts: connections, caches and models begin empty."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: seconds on the clock, events so far, processor seconds so far, resident bytes."""

    at_s: float
    events: int
    cpu_s: float
    resident: int


@dataclass(frozen=True, slots=True)
class Course:
    """How a run went.

    Attributes
    ----------
    samples
        In order of time; the last one has all the events, unless the contestant came to a halt.
    started_s
        When its process was started.
    """

    samples: Sequence[Sample]
    started_s: float

    @property
    def events(self) -> int:
        """Events that went through."""
        return self.samples[-1].events

    @property
    def start_up_s(self) -> float:
        """From the start of the process to its first event."""
        return next((sample.at_s for sample in self.samples if sample.events), float("nan")) - self.started_s

    @property
    def events_per_s(self) -> float:
        """Rate after the warm-up."""
        first, last = self._span
        return (last.events - first.events) / max(last.at_s - first.at_s, 1e-9)

    @property
    def cpu_s_per_million(self) -> float:
        """Processor seconds for a million events, after the warm-up."""
        first, last = self._span
        return (last.cpu_s - first.cpu_s) / max(last.events - first.events, 1) * 1e6

    @property
    def peak_mb(self) -> float:
        """Most resident memory of all its processes together, in MiB."""
        return max(sample.resident for sample in self.samples) / 2**20

    @property
    def _span(self) -> tuple[Sample, Sample]:
        """From the end of the warm-up to the last look before the end: the end itself falls between two looks."""
        total = self.events
        within = [sample for sample in self.samples if WARM_UP * total <= sample.events < total]
        last = next(sample for sample in self.samples if sample.events == total)
        return (within[0], within[-1]) if len(within) > 1 else (self.samples[0], last)


def usage(pid: int) -> tuple[float, int]:
    """Processor seconds and resident bytes of a process and all that it started."""
    cpu_s, resident = 0.0, 0
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                cpu_s += times.user + times.system
                resident += process.memory_info().rss
    return cpu_s, resident


async def follow(
    pids: Sequence[int],
    count: Callable[[], Awaitable[int]],
    total: int,
    *,
    started_s: float,
    stalled_after_s: float,
    every_s: float = SAMPLE_S,
    check: Callable[[], None],
) -> Course:
    """Look at a contestant until it has seen `total` events, or none for so long.

    Parameters
    ----------
    pids
        Its processes; those that they start are looked at too.
    count
        How many events went through.
    check
        Raises if it has ended.
    """
    samples: list[Sample] = []
    moved_s = monotonic()
    while True:
        events = await count()
        used = [usage(pid) for pid in pids]
        now_s = monotonic()
        if not samples or events > samples[-1].events:
            moved_s = now_s
        samples.append(Sample(now_s, events, sum(cpu for cpu, _ in used), sum(rss for _, rss in used)))
        if events >= total or now_s - moved_s > stalled_after_s:
            return Course(samples, started_s)
        check()
        await asyncio.sleep(every_s)

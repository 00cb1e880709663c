"""Processing time comes in through one door.

Nothing from the pipeline down reads a clock. The shell (runtime, command line) passes a `Clock` where it needs one.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where processing time comes from."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never go back, for durations."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that a test moves by hand.

    >>> clock = ManualClock(now_ms=1_000)
    >>> clock.advance_ms(500)
    >>> clock.now_ms(), clock.monotonic_s()
    (1500, 0.5)
    """

    def __init__(self, now_ms: int = 0) -> None:
        self._start_ms = now_ms
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return (self._now_ms - self._start_ms) / 1000

    def advance_ms(self, by_ms: int) -> None:
        self._now_ms += by_ms

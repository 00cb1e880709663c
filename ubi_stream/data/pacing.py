"""How fast records leave: at the pace of their own times, a multiple of it, or as fast as possible."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Literal

from ubi_stream.clock import Clock
from ubi_stream.errors import ConfigError

Speed = Literal["max", "realtime"] | float
Sleep = Callable[[float], Awaitable[None]]

# Below this a wait isn't worth a trip through the event loop; the next record makes up for it.
_SHORTEST_WAIT_S = 0.001


def parse_speed(text: str) -> Speed:
    """Read the speed that a user typed: "max", "realtime", or how many times faster than the file.

    Raises
    ------
    ConfigError
        The text is none of them.

    >>> parse_speed("max"), parse_speed("10")
    ('max', 10.0)
    """
    if text == "max":
        return "max"
    if text == "realtime":
        return "realtime"
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not (math.isfinite(factor) and factor > 0):
        raise ConfigError(f"speed = {text!r}: expected max, realtime, or a number over 0 such as 10")
    return factor


class Pacer:
    """Holds each record back until its moment has come.

    The first record's time is the origin. A record that is late (the machine was slow, or times go back) leaves at
    once, and the pace catches up with the origin instead of drifting.

    Parameters
    ----------
    speed
        Times faster than event time.
    clock, sleep
        Where the time comes from and how to wait.
    """

    def __init__(self, speed: Speed, clock: Clock, sleep: Sleep) -> None:
        self._factor = math.inf if speed == "max" else 1.0 if speed == "realtime" else float(speed)
        self._clock = clock
        self._sleep = sleep
        self._origin: tuple[int, float] | None = None

    def wait_s(self, time_ms: int | None) -> float:
        """Seconds until a record with this event time may leave; 0 where it has no time."""
        if time_ms is None or self._factor == math.inf:
            return 0.0
        now_s = self._clock.monotonic_s()
        if self._origin is None:
            self._origin = (time_ms, now_s)
        first_ms, started_s = self._origin
        wait_s = started_s + (time_ms - first_ms) / 1000 / self._factor - now_s
        return wait_s if wait_s >= _SHORTEST_WAIT_S else 0.0

    async def sleep(self, wait_s: float) -> None:
        """Wait."""
        await self._sleep(wait_s)

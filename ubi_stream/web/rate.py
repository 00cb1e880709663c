"""How often something may be asked for."""

from __future__ import annotations

from ubi_stream.clock import Clock


class TokenBucket:
    """So many at once, then so many a second.

    >>> from ubi_stream.clock import ManualClock
    >>> clock = ManualClock()
    >>> bucket = TokenBucket(per_s=2.0, at_once=1, clock=clock)
    >>> bucket.take(), bucket.take()
    (True, False)
    >>> clock.advance_ms(500)
    >>> bucket.take()
    True
    """

    def __init__(self, *, per_s: float, at_once: int, clock: Clock) -> None:
        self._per_s = per_s
        self._most = float(at_once)
        self._clock = clock
        self._tokens = self._most
        self._as_of_s = clock.monotonic_s()

    def take(self) -> bool:
        """Whether one more may pass now."""
        now_s = self._clock.monotonic_s()
        self._tokens = min(self._most, self._tokens + (now_s - self._as_of_s) * self._per_s)
        self._as_of_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

"""In how many active users a day is there an anomaly that strong? A person reads about users, not about events.

Each entity counts once on each day that it is active, with its strongest alert of that day. The share of entity-days
with one at least as strong says how rare an alert is: one in 500 users a day is another thing than one event in 500.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ubi_stream.arrays import FloatArray

_BINS: Final = 120
"""Of a score from 0 to 1: each a twentieth of a decade."""
_DECADES: Final = 6.0
_BLOCK: Final = 500
"""Entity-days after which old ones are faded."""
_HALF_LIFE: Final = 20_000.0
PRIOR_DAYS: Final = 200.0
"""Entity-days that count as seen before the first, so that the first day is no exception."""
_PRIOR_EVENTS: Final = 2.0
"""Independent events of one of them (those of a visit are alike), each as odd as chance has it: a score of s is a share
of 10^(-6 s) of the events."""


class DailyPeaks:
    """Counts entity-days by the score of their strongest alert; they fade, in blocks.

    Attributes
    ----------
    days
        Entity-days so far.

    Examples
    --------
    >>> peaks = DailyPeaks()
    >>> for _ in range(9_500):
    ...     peaks.begin_day()
    >>> for _ in range(10):
    ...     before = peaks.raise_to(0.6)
    >>> 500 < peaks.one_in(0.6) < 1_000 < peaks.one_in(0.7)
    True
    """

    def __init__(self) -> None:
        self.days = 0
        self._active = PRIOR_DAYS
        edges = np.arange(_BINS + 1) / _BINS
        tail = np.minimum(_PRIOR_EVENTS * 10.0 ** (-_DECADES * edges), 1.0)
        tail[-1] = 0.0
        self._peaks: FloatArray = PRIOR_DAYS * (tail[:-1] - tail[1:])

    def begin_day(self) -> None:
        """Count an entity that is active on another day."""
        self.days += 1
        self._active += 1.0
        if self.days % _BLOCK == 0:
            fade = 0.5 ** (_BLOCK / _HALF_LIFE)
            self._active *= fade
            self._peaks = self._peaks * fade

    def raise_to(self, score: float, before: int = 0) -> int:
        """Count an alert of an entity, whose strongest of the day was in that class before; returns that from now on.

        Classes of scores are numbered from 1 on; 0 is none.
        """
        place = _bin(score)
        if place < before:
            return before
        if before:
            self._peaks[before - 1] = max(self._peaks[before - 1] - 1.0, 0.0)
        self._peaks[place] += 1.0
        return place + 1

    def one_in(self, score: float, before: int = 0) -> float:
        """One in so many entities a day has an alert as strong, with this one.

        So it is at most the entity-days counted: nobody knows what happens once in a thousand days before a thousand.
        An entity whose strongest of the day, of class `before`, was as strong is counted already.
        """
        place = _bin(score)
        at_least = float(np.add.accumulate(self._peaks[place:])[-1])
        own = 0.0 if before > place else 1.0
        return max(self._active / max(at_least + own, 1.0), 1.0)


def _bin(score: float) -> int:
    return min(max(int(score * _BINS), 0), _BINS - 1)

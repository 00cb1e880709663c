"""How the times of a file run: whether they go up, and whether a few rows are far ahead of all others."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import msgspec

_DAY_MS: Final = 86_400_000
_BEHIND_MS: Final = 600_000
"""A log of several machines is in order but for seconds. A watermark stays ten minutes behind, unless a pack says
otherwise."""
_FEW: Final = 0.05
"""Rows ahead of the others are a mistake only while they are few: otherwise the file has a pause."""


class FastClock(msgspec.Struct, frozen=True):
    """Rows far ahead of their neighbours: what comes after them is late.

    Attributes
    ----------
    row
        The first of them.
    rows
        How many there are.
    ahead_days
        How far the first is ahead of all that is not among them.
    """

    row: int
    rows: int
    ahead_days: float


class OrderWatch:
    """Looks at the times of records in the order of their file. It keeps a few numbers for each day that occurs."""

    def __init__(self) -> None:
        self._days: dict[int, _Day] = {}
        self._newest_ms: int | None = None
        self._count = self.behind = 0
        """`behind`: records that are well before some record above them."""

    def add(self, row: int, time_ms: int | None) -> None:
        """Look at one record; without a time it says nothing."""
        if time_ms is None:
            return
        self._count += 1
        newest_ms = self._newest_ms = time_ms if self._newest_ms is None else max(self._newest_ms, time_ms)
        if time_ms < newest_ms - _BEHIND_MS:
            self.behind += 1
        day = self._days.get(time_ms // _DAY_MS)
        if day is None:
            self._days[time_ms // _DAY_MS] = _Day(row, time_ms, self._count, time_ms, self._count, 1)
        else:
            day.last_ms, day.last_position, day.count = max(day.last_ms, time_ms), self._count, day.count + 1

    def fast_clock(self) -> FastClock | None:
        """The few rows that are a day or more ahead of all others, if other rows come after them."""
        days = sorted(self._days)
        ahead, found = 0, None
        for before, after in reversed(list(pairwise(days))):
            ahead += self._days[after].count
            if ahead > _FEW * self._count:
                break
            first = min((self._days[day] for day in days if day >= after), key=lambda day: day.first_position)
            others = [self._days[day] for day in days if day <= before]
            newest_ms = max(day.last_ms for day in others)
            gap_ms = min(self._days[day].first_ms for day in days if day >= after) - newest_ms
            if gap_ms >= _DAY_MS and first.first_position < max(day.last_position for day in others):
                found = FastClock(first.first_row, ahead, round((first.first_ms - newest_ms) / _DAY_MS, 1))
        return found


class _Day(msgspec.Struct):
    """The records of one day: the first one's row, time and position; newest time, last position, and how many."""

    first_row: int
    first_ms: int
    first_position: int
    last_ms: int
    last_position: int
    count: int

"""What each of many figures usually is at this hour of the day, and how much it varies."""

from __future__ import annotations

from typing import Final

import numpy as np

from ubi_stream.arrays import FloatArray

_MEMORY: Final = 200.0
"""Observations after which a level weighs old against new no further: what changes more slowly is not told."""

_SETTLED: Final = 10.0
"""Observations after which an outlier moves a level by a bounded step only."""

_HOUR_TRUST: Final = 8.0
"""Observations of an hour after which half of what it says of itself is believed."""

_CLIP: Final = 4.0
"""Deviations: what lies further out moves a level as if it were this far."""

_NORMAL: Final = 1.2533
"""Standard deviation of a normal over its mean absolute deviation."""


_DAYS: Final = 7
"""Days of which the rate is kept, hour by hour: a weekend is nothing new in the second week."""

_TODAY_H: Final = 12
"""Hours before now that say nothing of what was usual: a change may have begun in them."""


class RateHistory:
    """What the rate of events was at each hour of the last week: whether one is new, or of that hour or weekday."""

    def __init__(self) -> None:
        self._rates = np.full((_DAYS + 1, 24), np.nan)
        self._hours = np.full((_DAYS + 1, 24), -1, dtype=np.int64)

    def learn(self, rate: float, hour: int) -> None:
        """Take in a rate at an hour since 1970: the newest of each hour is kept."""
        place = hour // 24 % (_DAYS + 1), hour % 24
        self._rates[place], self._hours[place] = rate, hour

    def is_new(self, rate: float, hour: int, least: float) -> bool:
        """Whether a rate is further than `least` from all of the last week; a fall takes a whole week to be one."""
        age = hour - self._hours
        known = (self._hours >= 0) & (age > _TODAY_H) & (age <= 24 * _DAYS) & ~np.isnan(self._rates)
        rates = self._rates[known]
        if not len(rates):
            return False
        if rate >= float(rates.max()) + least:
            return True
        beside = known & (np.abs((hour - self._hours + 12) % 24 - 12) <= 1)
        days = len(np.unique(self._hours[beside] // 24))
        return days >= _DAYS and rate <= float(self._rates[beside].min()) - least


class Levels:
    """Levels, spreads and daily rhythms of many figures, robust to outliers; NaN is no observation.

    Parameters
    ----------
    floors
        Smallest spread of each figure, shape (n,): what varies less is not worth telling.

    Examples
    --------
    >>> levels = Levels(np.array([0.01]))
    >>> for hour in range(48):
    ...     levels.learn(np.array([10.0 * (hour % 24 < 12) + hour % 2]), hour % 24)
    >>> noon, night = levels.deviations(np.array([10.0]), 6)[0], levels.deviations(np.array([10.0]), 18)[0]
    >>> bool(abs(noon) < abs(night))
    True
    """

    def __init__(self, floors: FloatArray) -> None:
        n = len(floors)
        self.floors = floors
        self.counts = np.zeros(n)
        self.means = np.zeros(n)
        self._spreads = np.zeros(n)
        self._hours = np.zeros((24, n), dtype=np.float32)
        self._hour_counts = np.zeros((24, n), dtype=np.float32)

    def usual(self, hour: int) -> FloatArray:
        """Usual value of each figure at an hour of the day (UTC)."""
        trust = self._hour_counts[hour] / (self._hour_counts[hour] + _HOUR_TRUST)
        usual: FloatArray = self.means + trust * self._hours[hour]
        return usual

    def deviations(self, values: FloatArray, hour: int) -> FloatArray:
        """How many deviations each value is from what is usual; NaN where nothing was seen."""
        spread = np.maximum(_NORMAL * self._spreads, self.floors)
        deviations: FloatArray = np.where(self.counts > 0, (values - self.usual(hour)) / spread, np.nan)
        return deviations

    def learn(self, values: FloatArray, hour: int) -> None:
        """Take in an observation of each figure; NaN leaves it as it is."""
        seen = ~np.isnan(values)
        first = seen & (self.counts == 0)
        self.means = np.where(first, values, self.means)
        gap = np.where(seen, values - self.usual(hour), 0.0)
        limit = _CLIP * np.maximum(_NORMAL * self._spreads, self.floors)
        gap = np.where(self.counts > _SETTLED, np.clip(gap, -limit, limit), gap)
        self.counts += seen
        step = seen / np.maximum(np.minimum(self.counts, _MEMORY), 1.0)
        self.means = self.means + step * gap
        self._spreads = self._spreads + step * (np.abs(gap) - self._spreads)
        self._hour_counts[hour] = np.minimum(self._hour_counts[hour] + seen, _MEMORY)
        hour_step = seen / np.maximum(self._hour_counts[hour], 1.0)
        self._hours[hour] += (hour_step * gap).astype(np.float32)

    def move(self, column: int, by: float, count: int) -> None:
        """A figure has another level from now on, seen so many times; its spread and rhythm stay."""
        self.means[column] += by
        self.counts[column] = max(count, 1)

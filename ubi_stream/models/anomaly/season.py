"""A detector for one series of numbers with a daily rhythm."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from river.base import AnomalyDetector

from ubi_stream.arrays import MAX_ABS
from ubi_stream.models.anomaly.ranks import RankTracker
from ubi_stream.models.common.encoder import number_of

_SLOTS = 24
_SLOT_S = 3_600
"""Hours of the day, UTC: which hour is which doesn't matter, only that it comes again."""

_SLOT_COUNT = 36
"""Values of an hour without which nothing is known of it."""

_SLOT_MEMORY = 500
_MEMORY = 2_000
"""Values after which a running mean of an hour, and of the whole, weighs old against new no further."""

_FLOOR = 0.1
"""Share of the series' usual deviation that every hour has at least: a quiet hour is not infinitely surprised."""

_CLIP = 6.0
"""Deviations: what lies further out moves the baseline no more than that."""

_FAST, _SLOW = 12.0, 200.0
"""Half-lives, in values, of the level now and the level before."""

_RANKED = 5_000
"""Scores that a rank is told from: alarms of one in 500 need a few of them above."""


@dataclass(slots=True)
class _Slot:
    """Running mean and mean absolute deviation of one hour of the day."""

    mean: float
    deviation: float = 0.0
    count: int = 0


class SeasonWatch(AnomalyDetector):  # type: ignore[misc]  # River's classes are untyped under strict mode
    """Watches one series: is this value odd for its hour, has the level shifted, has it become restless or too still?

    Each of the four answers is ranked among its own past; the score is 1 minus the smallest share, so that 0.998 means
    that one of them is as far out as one value in 500. Baselines are robust: an outlier moves them by a bounded step.

    Missing values (None, NaN, infinite) score 0.0 and are not learned. Memory is fixed.

    Parameters
    ----------
    value, time
        Names of the number, and of its time in seconds.
    seed
        Of the sampling behind the ranks.

    Examples
    --------
    >>> watch = SeasonWatch()
    >>> for hour in range(24 * 60):
    ...     watch.learn_one({"time": hour * 3600.0, "value": 10.0 * (8 <= hour % 24 < 20) + hour % 7})
    >>> night = 24 * 60 * 3600.0
    >>> watch.score_one({"time": night, "value": 3.0}) < 0.9 < watch.score_one({"time": night, "value": 40.0})
    True

    References
    ----------
    S. Ahmad, A. Lavin, S. Purdy, Z. Agha: Unsupervised real-time anomaly detection for streaming data. Neurocomputing
    262, 2017 (the benchmark that it was made for).
    """

    def __init__(self, value: str = "value", time: str = "time", seed: int = 1) -> None:
        self.value = value
        self.time = time
        self.seed = seed
        self.n_seen = 0
        self._slots: dict[int, _Slot] = {}
        self._deviation = 0.0
        self._fast = self._slow = self._center = self._last = 0.0
        self._spread = 0.0
        self._change_now = self._change_usual = 0.0
        self._ranks = [RankTracker(_RANKED, seed=seed + i) for i in range(4)]

    def score_one(self, x: Mapping[str, Any]) -> float:
        """Return how far out the value is, in [0, 1)."""
        at_s, value = self._read(x)
        if math.isnan(value) or self.n_seen == 0:
            return 0.0
        return 1.0 - min(ranks.tail(part) for ranks, part in zip(self._ranks, self._parts(at_s, value), strict=True))

    def learn_one(self, x: Mapping[str, Any]) -> None:
        """Take in one value."""
        at_s, value = self._read(x)
        if math.isnan(value):
            return
        if self.n_seen == 0:
            self._fast = self._slow = self._center = self._last = value
        for ranks, part in zip(self._ranks, self._parts(at_s, value), strict=True):
            ranks.learn(part)
        self.n_seen += 1
        self._learn_slot(at_s, value)
        self._learn_change(value)
        self._learn_level(value)
        self._last = value

    def _parts(self, at_s: float, value: float) -> tuple[float, float, float, float]:
        """Answer the four questions, each the higher the odder."""
        slot = self._slots.get(_hour(at_s))
        season = 0.0
        if slot is not None and slot.count >= _SLOT_COUNT:
            season = abs(value - slot.mean) / (slot.deviation + _FLOOR * self._deviation + 1e-12)
        level = abs(self._fast - self._slow) / (self._spread + 1e-9)
        unrest = math.log((self._change_now + 1e-9) / (self._change_usual + 1e-9))
        return season, level, unrest, -unrest

    def _learn_slot(self, at_s: float, value: float) -> None:
        slot = self._slots.setdefault(_hour(at_s), _Slot(value))
        slot.count += 1
        gap = value - slot.mean
        limit = _CLIP * (slot.deviation + _FLOOR * self._deviation)
        bounded = min(max(gap, -limit), limit) if slot.count > _SLOT_COUNT else gap
        step = 1.0 / min(slot.count, _SLOT_MEMORY)
        slot.mean += step * bounded
        slot.deviation += step * (abs(bounded) - slot.deviation)
        self._deviation += (abs(bounded) - self._deviation) / min(self.n_seen, _MEMORY)

    def _learn_change(self, value: float) -> None:
        change = abs(value - self._last)
        bounded = min(change, 10.0 * self._change_usual) if self.n_seen > _SLOT_COUNT else change
        self._change_usual += (bounded - self._change_usual) / min(self.n_seen, _MEMORY)
        self._change_now += _step(_FAST) * (change - self._change_now)

    def _learn_level(self, value: float) -> None:
        self._fast += _step(_FAST) * (value - self._fast)
        self._slow += _step(_SLOW) * (value - self._slow)
        step = 1.0 / min(self.n_seen, _MEMORY)
        self._spread += step * (abs(value - self._center) - self._spread)
        self._center += step * (value - self._center)

    def _read(self, x: Mapping[str, Any]) -> tuple[float, float]:
        at_s, value = number_of(x.get(self.time)), number_of(x.get(self.value))
        if not (math.isfinite(value) and math.isfinite(at_s)):
            return 0.0, math.nan
        return at_s, min(max(value, -MAX_ABS), MAX_ABS)


def _hour(at_s: float) -> int:
    return int(at_s // _SLOT_S % _SLOTS)


def _step(half_life: float) -> float:
    return float(1.0 - 0.5 ** (1.0 / half_life))

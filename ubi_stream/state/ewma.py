"""Running mean and variance that forget: exponentially weighted, constant size."""

from __future__ import annotations

from math import sqrt
from typing import Final

import msgspec

CLIP_SIGMAS: Final = 5.0
"""A value further out than this moves the baseline as if it were this far: one outlier does not become the norm."""


class Baseline(msgspec.Struct, array_like=True, gc=False):
    """Exponentially weighted mean and variance of one quantity.

    The first values count as in a plain mean, until 1/n falls below `alpha`; from then on old values fade
    (Finch 2009, Incremental calculation of weighted mean and variance).
    """

    n: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def add(self, value: float, alpha: float) -> None:
        """Take in one value; `alpha` in (0, 1] is the weight of the newest."""
        self.n += 1
        weight = alpha if self.n * alpha > 1 else 1 / self.n
        delta = value - self.mean
        if self.n > 10:
            limit = CLIP_SIGMAS * (sqrt(self.variance) + 1e-9 * abs(self.mean) + 1e-12)
            delta = limit if delta > limit else -limit if delta < -limit else delta
        step = weight * delta
        self.mean += step
        self.variance = (1 - weight) * (self.variance + delta * step)

    @property
    def deviation(self) -> float:
        """Standard deviation."""
        return sqrt(self.variance)

    def z(self, value: float, floor: float) -> float:
        """How many standard deviations a value is from the mean; `floor` is the smallest deviation assumed."""
        return (value - self.mean) / max(sqrt(self.variance), floor)


def taken_in(baseline: Baseline | None, value: float, alpha: float) -> Baseline:
    """A baseline with one more value; None is that of no value, as most entities have it of most quantities."""
    if baseline is None:
        baseline = Baseline()
    baseline.add(value, alpha)
    return baseline

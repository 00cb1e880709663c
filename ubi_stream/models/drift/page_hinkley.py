"""The Page-Hinkley test of many figures at once, by array operations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import FloatArray


class PageHinkleyMany:
    """River's two-sided `drift.PageHinkley`, one for each column, to the bit; and since when each column has moved.

    Parameters
    ----------
    n
        Columns.
    min_instances
        Values of a column before it can be told to have changed.
    delta
        How far from its mean a column may stay; one figure, or one of each column.
    threshold
        How much evidence a change takes, in the columns' unit; the same.
    alpha
        Share of the evidence that is kept from value to value.

    Examples
    --------
    >>> test = PageHinkleyMany(2, min_instances=5, delta=0.5, threshold=5.0)
    >>> for _ in range(20):
    ...     changed = test.update(np.array([0.0, 0.0]))
    >>> [bool(test.update(np.array([4.0, 0.0]))[0]) for _ in range(2)]
    [False, True]

    References
    ----------
    E. S. Page: Continuous inspection schemes. Biometrika 41, 1954.
    """

    def __init__(
        self,
        n: int,
        *,
        min_instances: int = 30,
        delta: float | FloatArray = 0.005,
        threshold: float | FloatArray = 50.0,
        alpha: float = 0.9999,
    ) -> None:
        self.min_instances = min_instances
        self.delta = delta
        self.threshold = threshold
        self.alpha = alpha
        self._count = np.zeros(n)
        self._mean = np.zeros(n)
        self._up = np.zeros(n)
        self._down = np.zeros(n)
        self._lowest = np.full(n, np.inf)
        self._highest = np.full(n, -1.0)
        self._rising = np.zeros(n, dtype=np.int64)
        self._falling = np.zeros(n, dtype=np.int64)

    @property
    def rise(self) -> FloatArray:
        """Evidence that each column has risen."""
        rise: FloatArray = np.where(self._count > 0, self._up - self._lowest, 0.0)
        return rise

    @property
    def fall(self) -> FloatArray:
        """Evidence that each column has fallen."""
        fall: FloatArray = np.where(self._count > 0, self._highest - self._down, 0.0)
        return fall

    @property
    def length(self) -> NDArray[np.int64]:
        """Values for which each column has moved the way that the evidence says."""
        return np.where(self.rise >= self.fall, self._rising, self._falling)

    def update(self, values: FloatArray) -> NDArray[np.bool_]:
        """Take in a value of each column, NaN for none; returns which of them are now told to have changed."""
        seen = ~np.isnan(values)
        x = np.where(seen, values, 0.0)
        self._count += seen
        self._mean = np.where(seen, self._mean + 1.0 / np.maximum(self._count, 1.0) * (x - self._mean), self._mean)
        gap = x - self._mean
        self._up = np.where(seen, self.alpha * self._up + gap - self.delta, self._up)
        self._down = np.where(seen, self.alpha * self._down + gap + self.delta, self._down)
        lower, higher = seen & (self._up < self._lowest), seen & (self._down > self._highest)
        self._rising = np.where(lower, 0, self._rising + seen)
        self._falling = np.where(higher, 0, self._falling + seen)
        self._lowest = np.where(lower, self._up, self._lowest)
        self._highest = np.where(higher, self._down, self._highest)
        ready = seen & (self._count >= self.min_instances)
        changed: NDArray[np.bool_] = ready & ((self.rise > self.threshold) | (self.fall > self.threshold))
        return changed

    def reset(self, columns: NDArray[np.bool_]) -> None:
        """Begin anew with these columns."""
        for name in ("_count", "_mean", "_up", "_down", "_rising", "_falling"):
            getattr(self, name)[columns] = 0
        self._lowest[columns], self._highest[columns] = np.inf, -1.0

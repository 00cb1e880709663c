"""How rare is a score among the scores so far? The common currency of detectors that measure different things."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ubi_stream.models.arrays import MAX_ABS, FloatArray, clipped
from ubi_stream.models.oddness.sample import FadingSample

_TOP: Final = 0.05
"""Share of the sample whose excess the tail is told from."""

_TRUST: Final = 0.25
"""Least share of what is counted that the tail may say within the sample."""

_FARTHEST: Final = 50.0
"""Excesses: further out is as rare as can be."""

SMALLEST: Final = 1e-6
"""Nothing is rarer: no sample of a thousand supports more."""


class TailShare:
    """The share of earlier scores that are at least as high, told from a sample of them.

    Below the sample's top twentieth it is counted. In it few scores are left to count, and beyond it none: there an
    exponential tail with the mean excess of that twentieth tells apart what is far from what is further. Within the
    sample it may make a share smaller by a factor of four at most, because scores that clump have no such tail.

    Parameters
    ----------
    size, horizon
        Scores in the sample, and how many it stands for.
    seed
        Of the sampling.

    Examples
    --------
    >>> tails = TailShare(size=100)
    >>> tails.learn_many(np.arange(100.0))
    >>> tails.turn()
    >>> usual, rare, rarer = tails.share(np.array([50.0, 110.0, 120.0]))
    >>> bool(usual > 0.4 > 0.01 > rare > rarer > 0)
    True

    References
    ----------
    J. Pickands: Statistical inference using extreme order statistics. Annals of Statistics 3, 1975.
    A. Siffer, P.-A. Fouque, A. Termier, C. Largouet: Anomaly detection in streams with extreme value theory. KDD 2017.
    """

    def __init__(self, *, size: int = 1_000, horizon: int = 200_000, seed: int = 0) -> None:
        self.sample = FadingSample(size, 1, horizon=horizon, seed=seed)
        self._prepare()

    def share(self, scores: FloatArray) -> FloatArray:
        """Return the share of each score, in [1e-6, 1]; 1 for a score that is NaN, and while there is no sample."""
        n = len(self._sorted)
        if not n:
            return np.ones(len(scores))
        x = np.where(np.isnan(scores), -MAX_ABS, clipped(scores, MAX_ABS)).astype(np.float32)
        counted = (n - np.searchsorted(self._sorted, x, side="left") + 1.0) / (n + 1.0)
        if self._excess > 0.0:
            exact = x.astype(np.float64)
            inside: FloatArray = np.minimum(exact, float(self._sorted[-1]))
            tail = self._top_share * np.exp(-_within((inside - self._start) / self._excess))
            trusted = np.minimum(np.maximum(tail, _TRUST * counted), counted)
            counted = np.where(inside > self._start, trusted, counted)
            counted = counted * np.exp(-_within((exact - inside) / self._excess))
        shares: FloatArray = np.maximum(counted, SMALLEST)
        return shares

    def learn_many(self, scores: FloatArray) -> None:
        """Take in scores; NaN is ignored."""
        self.sample.learn_many(clipped(scores[~np.isnan(scores)], MAX_ABS)[:, np.newaxis])

    def turn(self) -> None:
        """Let what was learned count: the end of a block."""
        self.sample.turn()
        self._prepare()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what the sample gives."""
        return {"sample": self.sample}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def _prepare(self) -> None:
        self._sorted = np.sort(self.sample.rows[:, 0])
        n = len(self._sorted)
        self._start, self._excess, self._top_share = 0.0, 0.0, 1.0
        if n:
            top = self._sorted[n - max(int(_TOP * n), 1) :].astype(np.float64)
            self._start = float(top[0])
            self._excess = float(np.add.accumulate(top - top[0])[-1] / len(top))
            self._top_share = (n - float(np.searchsorted(self._sorted, top[0], side="left")) + 1.0) / (n + 1.0)


def _within(excesses: FloatArray) -> FloatArray:
    inside: FloatArray = np.minimum(np.maximum(excesses, 0.0), _FARTHEST)
    return inside

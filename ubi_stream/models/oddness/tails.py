"""How rare is a score among the scores so far? The common currency of detectors that measure different things."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ubi_stream.models.arrays import MAX_ABS, FloatArray, clipped
from ubi_stream.models.oddness.sample import FadingSample

_TOP: Final = 0.05
"""Share of the sample from which the tail beyond it is told."""

SMALLEST: Final = 1e-6
"""Nothing is rarer: no sample of a thousand supports more."""


class TailShare:
    """The share of earlier scores that are at least as high, told from a sample of them.

    Within the sample it is counted. Beyond its top twentieth, counting knows steps of 1 / size only; there an
    exponential tail with the mean excess of that twentieth tells apart what is far from what is further.

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

    def __init__(self, *, size: int = 1_000, horizon: int = 50_000, seed: int = 0) -> None:
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
            beyond = np.minimum((x.astype(np.float64) - self._start) / self._excess, 50.0)
            extended = self._start_share * np.exp(-np.maximum(beyond, 0.0))
            counted = np.where(x > self._start, np.minimum(counted, extended), counted)
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
        self._start, self._excess, self._start_share = 0.0, 0.0, 1.0
        if n:
            first = n - max(int(_TOP * n), 1)
            self._start = float(self._sorted[first])
            above = self._sorted[first:].astype(np.float64) - self._start
            self._excess = float(np.add.accumulate(above)[-1] / len(above))
            self._start_share = float(n - np.searchsorted(self._sorted, self._sorted[first], side="left") + 1) / (n + 1)

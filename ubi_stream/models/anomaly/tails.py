"""How rare is a score among the scores so far? The common currency of detectors that measure different things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import MAX_ABS, FloatArray, clipped
from ubi_stream.models.anomaly.sample import FadingSample

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
        shares: FloatArray = Tails.of([self]).shares(scores[:, np.newaxis])[:, 0]
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
        # Without an excess there is no tail: it begins, and the sample ends, beyond every score.
        self._figures = (float(n), np.inf, np.inf, 1.0, 1.0)
        if n:
            top = self._sorted[n - max(int(_TOP * n), 1) :].astype(np.float64)
            excess = float(np.add.accumulate(top - top[0])[-1] / len(top))
            top_share = (n - float(np.searchsorted(self._sorted, top[0], side="left")) + 1.0) / (n + 1.0)
            if excess > 0.0:
                self._figures = float(n), float(top[0]), float(top[-1]), excess, top_share


@dataclass(frozen=True, slots=True)
class Tails:
    """Several tails side by side: a matrix of scores is told of at once.

    Attributes
    ----------
    samples
        Of each tail, sorted; None where a column has no tail: its shares are 1.
    size, start, end, excess, top_share
        Of each tail: scores in the sample, where its top begins and ends, its mean excess, and its share.
    """

    samples: tuple[NDArray[np.float32] | None, ...]
    size: FloatArray
    start: FloatArray
    end: FloatArray
    excess: FloatArray
    top_share: FloatArray

    @classmethod
    def of(cls, tails: Sequence[TailShare | None]) -> Tails:
        """Those of columns, as they stand."""
        none = (0.0, np.inf, np.inf, 1.0, 1.0)
        figures = np.array([none if tail is None else tail._figures for tail in tails])
        return cls(tuple(None if tail is None else tail._sorted for tail in tails), *figures.T)

    def shares(self, scores: FloatArray) -> FloatArray:
        """Shares of scores of shape (n, tails), as of `TailShare.share`."""
        x = np.where(np.isnan(scores), -MAX_ABS, clipped(scores, MAX_ABS)).astype(np.float32)
        below = np.zeros(x.shape)
        for column, sample in enumerate(self.samples):
            if sample is not None:
                below[:, column] = sample.searchsorted(x[:, column])
        counted = (self.size - below + 1.0) / (self.size + 1.0)
        exact = x.astype(np.float64)
        inside: FloatArray = np.minimum(exact, self.end)
        tail = self.top_share * np.exp(-_within((inside - self.start) / self.excess))
        trusted = np.minimum(np.maximum(tail, _TRUST * counted), counted)
        counted = np.where(inside > self.start, trusted, counted)
        counted = counted * np.exp(-_within((exact - inside) / self.excess))
        shares: FloatArray = np.maximum(counted, SMALLEST)
        return shares


def _within(excesses: FloatArray) -> FloatArray:
    inside: FloatArray = np.minimum(np.maximum(excesses, 0.0), _FARTHEST)
    return inside

"""The threshold above which a given share of recent scores lies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import FloatArray, blocks
from ubi_stream.models.common.block_learner import BlockLearner


class OnlineQuantile(BlockLearner[NDArray[np.intp]]):
    """Quantile of scores in [0, 1] by a histogram of fixed bins that forgets exponentially.

    The value changes only when a block of scores is complete, so it depends on how many scores came, not on chunks. It
    is the upper edge of the bin in which the quantile falls: never below the exact weighted quantile, and at most
    1 / bins above it. So a threshold lets through at most the share asked for, even when most scores are equal; compare
    with `score > threshold`.

    Parameters
    ----------
    q
        Share of the scores at or below the value, in (0, 1). For an alert rate r, 1 - r.
    bins
        Number of bins; memory is 8 bytes each.
    block
        Scores after which the value is computed anew.
    half_life
        Scores after which an old score counts half.
    min_count
        Scores without which there is no value. At least a few / (1 - q), else the first values are a guess.

    Examples
    --------
    >>> quantile = OnlineQuantile(0.9, min_count=500)
    >>> quantile.value is None
    True
    >>> quantile.update_many(np.arange(1000) / 1000)
    >>> round(quantile.value, 2)
    0.9

    References
    ----------
    G. Cormode, V. Shkapenyuk, D. Srivastava, B. Xu: Forward decay: a practical time decay model for streaming systems.
    ICDE 2009 (quantiles over exponentially decayed counts).
    """

    def __init__(
        self, q: float, *, bins: int = 2048, block: int = 250, half_life: float = 20_000.0, min_count: int = 1_000
    ) -> None:
        if not 0.0 < q < 1.0:
            raise ValueError(f"q lies between 0 and 1, not {q}")
        super().__init__()  # bins of the open block wait to be counted
        self.q = q
        self.min_count = min_count
        self.n_seen = 0
        self._block = block
        self._decay = 0.5 ** (block / half_life)
        self._weights = np.zeros(bins)
        self._current = np.zeros(bins, dtype=np.int64)
        self._value: float | None = None
        self._ranks: FloatArray | None = None

    @property
    def value(self) -> float | None:
        """The quantile as of the last complete block; None until `min_count` scores came."""
        return self._value

    def update(self, score: float) -> None:
        """Learn one score; NaN and infinite ones are ignored, others clipped to [0, 1]."""
        self.update_many(np.array([score]))

    def update_many(self, scores: FloatArray) -> None:
        """Learn scores of shape (n,), in order."""
        self.track_many(scores)

    def track_many(self, scores: FloatArray) -> FloatArray:
        """Learn scores of shape (n,), in order.

        Returns
        -------
        The value that was in force for each score before it was learned; NaN where there was none, and for ignored
        scores.
        """
        return self.rank_many(scores)[0]

    def rank_many(self, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Learn as `track_many`; returns the share of recent scores that were as high as each one, too.

        The share counts the score itself, so that it is never 0: above all of 1,000 recent scores it is 1 / 1,001.
        """
        in_force, shares = np.full((2, len(scores)), np.nan)
        (positions,) = np.isfinite(scores).nonzero()
        inside = np.minimum(np.maximum(scores[positions], 0.0), 1.0)
        bins = np.minimum((inside * len(self._weights)).astype(np.intp), len(self._weights) - 1)
        for part in blocks(len(bins), self.n_seen % self._block, self._block):
            if self._value is not None:
                in_force[positions[part]] = self._value
                shares[positions[part]] = self._ranked()[bins[part]]
            self._waiting.append(bins[part])
            self.n_seen += part.stop - part.start
            if self.n_seen % self._block == 0:
                self._end_block()
        return in_force, shares

    def _ranked(self) -> FloatArray:
        """Share of recent scores that were as high as each bin; the same until the block ends."""
        if self._ranks is None:
            as_high = np.add.accumulate(self._weights[::-1])[::-1]
            self._ranks = (as_high + 1.0) / (as_high[0] + 1.0)
        return self._ranks

    def _learn_waiting(self, waiting: list[NDArray[np.intp]]) -> None:
        self._current += np.bincount(np.concatenate(waiting), minlength=len(self._current))

    def _end_block(self) -> None:
        self._catch_up()
        self._ranks = None
        self._weights = self._weights * self._decay + self._current
        self._current = np.zeros_like(self._current)
        if self.n_seen >= self.min_count:
            cumulative = np.add.accumulate(self._weights)
            position = int(np.searchsorted(cumulative, self.q * cumulative[-1], side="left"))
            self._value = (position + 1) / len(self._weights)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what the weights give."""
        state = super().__getstate__()
        del state["_ranks"]
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)
        self._ranks = None

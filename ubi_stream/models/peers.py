"""What is usual among all entities of a partition: the peers' values in an explanation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ubi_stream.models.arrays import MAX_ABS, FloatArray, as_rows, blocks, clipped, running_sums
from ubi_stream.models.block_learner import BlockLearner


class PeerBaseline(BlockLearner[FloatArray]):
    """Mean and standard deviation of each feature over recent events, weighted exponentially by block.

    Both change only when a block is complete, so they depend on how many events came, not on chunks. Missing and
    infinite values are ignored, others clipped to ±1e12. A feature that a block doesn't have keeps its figures.

    Parameters
    ----------
    n_features
        Number of columns.
    block
        Events in a block.
    half_life
        Events after which an old one counts half.

    Examples
    --------
    >>> peers = PeerBaseline(1, block=4)
    >>> peers.observe(np.array([[1.0], [3.0], [1.0]]))
    >>> peers.mean
    array([nan])
    >>> peers.observe(np.array([[3.0]]))
    >>> peers.mean, peers.std
    (array([2.]), array([1.]))

    References
    ----------
    T. F. Chan, G. H. Golub, R. J. LeVeque: Updating formulae and a pairwise algorithm for computing sample variances.
    COMPSTAT 1982 (merging of two blocks' moments).
    """

    def __init__(self, n_features: int, block: int = 250, half_life: float = 10_000.0) -> None:
        super().__init__()
        self.n_features = n_features
        self.n_seen = 0
        self._block = block
        self._decay = 0.5 ** (block / half_life)
        self._weight = np.zeros(n_features)
        self._mean = np.zeros(n_features)
        self._squares = np.zeros(n_features)  # weighted sum of squared deviations from the mean
        self._sums = np.zeros((3, n_features))  # of the open block: count, deviation from `_mean`, its square

    @property
    def mean(self) -> FloatArray:
        """Weighted mean of each feature as of the last complete block; NaN where nothing was seen."""
        return np.where(self._weight > 0.0, self._mean, np.nan)

    @property
    def std(self) -> FloatArray:
        """Weighted population standard deviation as of the last complete block; NaN where nothing was seen."""
        variance = self._squares / np.where(self._weight > 0.0, self._weight, np.nan)
        deviation: FloatArray = np.sqrt(variance)
        return deviation

    def observe(self, x: FloatArray) -> None:
        """Take in rows of shape (n, F), in order."""
        rows = as_rows(x, self.n_features)
        for part in blocks(len(rows), self.n_seen % self._block, self._block):
            self._waiting.append(rows[part])
            self.n_seen += part.stop - part.start
            if self.n_seen % self._block == 0:
                self._catch_up()
                self._end_block()

    def _learn_waiting(self, waiting: list[FloatArray]) -> None:
        rows = np.concatenate(waiting)
        values = clipped(rows, MAX_ABS)
        present = np.isfinite(rows)
        self._start_at_first(values, present)
        deviation = np.where(present, values - self._mean, 0.0)
        self._sums = running_sums(self._sums, np.stack((present, deviation, deviation * deviation), axis=1))

    def _start_at_first(self, values: FloatArray, present: NDArray[np.bool_]) -> None:
        """Measure a new feature's deviations from its first value: from 0, a small spread of large values drowns."""
        new = (self._weight == 0.0) & (self._sums[0] == 0.0) & present.any(axis=0)
        if new.any():
            (columns,) = np.nonzero(new)
            self._mean[columns] = values[present.argmax(axis=0)[columns], columns]

    def _end_block(self) -> None:
        count, total, squares = self._sums
        seen = count > 0.0
        shift = total / np.maximum(count, 1.0)  # of the block's mean from the old one
        old = self._weight * self._decay
        weight = old + count
        share = count / np.where(seen, weight, 1.0)
        within = np.maximum(squares - shift * total, 0.0)
        self._squares = np.where(
            seen, self._squares * self._decay + within + shift * shift * old * share, self._squares
        )
        self._mean = self._mean + shift * share
        self._weight = np.where(seen, weight, self._weight)
        self._sums = np.zeros_like(self._sums)

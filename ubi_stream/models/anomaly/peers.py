"""What is usual among all entities of a partition: the peers' values in an explanation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import MAX_ABS, FloatArray, as_rows, blocks, clipped
from ubi_stream.models.common.block_learner import BlockLearner

_STEP: Final = 0.1
"""Least weight of a block's median in the usual value: about the last ten blocks count."""


class PeerBaseline(BlockLearner[tuple[FloatArray, NDArray[np.int64]]]):
    """The usual value of each feature: medians over entities in blocks of events, the newer ones weighing more.

    In a block each entity counts once, with its newest row: a bot with two hundred events is one of many. A median over
    entities is not moved by a few of them, whatever they do. Values change only when a block is complete, so they
    depend on how many events came, not on chunks. Missing and infinite values are ignored, others clipped to ±1e12. A
    feature that a block doesn't have keeps its value.

    `typical` is the same over those alone that are not 0. Most shoppers spend nothing on a day: beside their 0 every
    purchase is infinitely large, beside what buyers spend it is large or not.

    Parameters
    ----------
    n_features
        Number of columns.
    block
        Events in a block.

    Examples
    --------
    >>> peers = PeerBaseline(1, block=4)
    >>> peers.observe(np.array([[2.0], [100.0], [900.0]]), [1, 2, 2])
    >>> peers.usual
    array([nan])
    >>> peers.observe(np.array([[3.0]]), [3])
    >>> peers.usual  # of 2, 3, 900
    array([3.])

    References
    ----------
    P. J. Huber, E. M. Ronchetti: Robust Statistics, 2nd ed., 2009 (the median's breakdown point).
    """

    def __init__(self, n_features: int, block: int = 250) -> None:
        super().__init__()
        self.n_features = n_features
        self.n_seen = 0
        self._block = block
        self._blocks = np.zeros((2, n_features))  # of all values, and of those that are not 0
        self._usual = np.zeros((2, n_features))
        self._open: NDArray[np.float32] = np.zeros((0, n_features), dtype=np.float32)
        self._keys = np.zeros(0, dtype=np.int64)

    @property
    def usual(self) -> FloatArray:
        """The usual value of each feature as of the last complete block; NaN where nothing was seen."""
        return np.where(self._blocks[0] > 0.0, self._usual[0], np.nan)

    @property
    def typical(self) -> FloatArray:
        """What is usual of those who have any, as of the last complete block; the usual value where nobody has."""
        return np.where(self._blocks[1] > 0.0, self._usual[1], self.usual)

    def observe(self, x: FloatArray, entities: Sequence[int]) -> None:
        """Take in rows of shape (n, F), in order; `entities` are hashes of whom they are of."""
        rows, keys = as_rows(x, self.n_features), np.array(entities, dtype=np.int64)
        for part in blocks(len(rows), self.n_seen % self._block, self._block):
            self._waiting.append((rows[part], keys[part]))
            self.n_seen += part.stop - part.start
            if self.n_seen % self._block == 0:
                self._catch_up()
                self._end_block()

    def _learn_waiting(self, waiting: list[tuple[FloatArray, NDArray[np.int64]]]) -> None:
        rows = np.concatenate([self._open, *(clipped(part, MAX_ABS).astype(np.float32) for part, _ in waiting)])
        keys = np.concatenate([self._keys, *(part for _, part in waiting)])
        self._keys, last = np.unique(keys[::-1], return_index=True)
        self._open = rows[len(rows) - 1 - last]

    def _end_block(self) -> None:
        rows = self._open.astype(np.float64)
        medians = np.stack((_medians(rows), _medians(np.where(rows == 0.0, np.nan, rows))))
        seen = ~np.isnan(medians)
        self._blocks = self._blocks + seen
        step = np.maximum(1.0 / np.maximum(self._blocks, 1.0), _STEP)
        self._usual = np.where(seen, self._usual + step * (medians - self._usual), self._usual)
        self._open, self._keys = self._open[:0], self._keys[:0]


def _medians(rows: FloatArray) -> FloatArray:
    """Lower median of each column without NaN; NaN where there is nothing else."""
    ordered = np.sort(rows, axis=0)  # NaN comes last
    counts = np.count_nonzero(~np.isnan(rows), axis=0)
    middle = np.take_along_axis(ordered, np.maximum(counts - 1, 0)[np.newaxis] // 2, axis=0)[0]
    medians: FloatArray = np.where(counts > 0, middle, np.nan)
    return medians

"""A sample of a stream that changes at the ends of blocks alone, and fades."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import FloatArray
from ubi_stream.models.anomaly.noise import uniforms

_MASK: Final = 2**63 - 1


class FadingSample:
    """A sample of the rows so far: uniform up to the horizon, fading with a half-life of 0.7 horizons after it.

    What is learned waits until `turn`: so the sample in force doesn't depend on how the rows of a block came.

    Parameters
    ----------
    size, width
        Rows of the sample, and their columns. Values are kept as 32-bit floats.
    horizon
        Events that the sample stands for in the long run.
    seed
        Of the sampling.

    Attributes
    ----------
    rows
        The sample in force, shape (at most size, width).

    Examples
    --------
    >>> sample = FadingSample(2, 1, horizon=10)
    >>> sample.learn_many(np.array([[1.0], [2.0]]))
    >>> len(sample.rows)
    0
    >>> sample.turn()
    >>> sample.rows.ravel().tolist()
    [1.0, 2.0]

    References
    ----------
    J. S. Vitter: Random sampling with a reservoir. ACM TOMS 11, 1985.
    C. C. Aggarwal: On biased reservoir sampling in the presence of stream evolution. VLDB 2006.
    """

    def __init__(self, size: int, width: int, *, horizon: int, seed: int = 0) -> None:
        self.size = size
        self.horizon = horizon
        self.seed = seed
        self.n_seen = 0
        self.rows: NDArray[np.float32] = np.zeros((0, width), dtype=np.float32)
        self._places = np.zeros(0, dtype=np.int64)
        self._waiting = self.rows

    def learn_many(self, rows: FloatArray) -> None:
        """Take in rows of shape (n, width), in order; they count from the next `turn` on."""
        n = len(rows)
        numbers = np.arange(self.n_seen, self.n_seen + n, dtype=np.uint64)
        kept = np.minimum(numbers + np.uint64(1), np.uint64(self.horizon))
        taken = np.flatnonzero(uniforms(self.seed, numbers) * kept < self.size)
        if len(taken):
            chosen = numbers[taken]
            places = (uniforms(~self.seed & _MASK, chosen) * self.size).astype(np.int64)
            places = np.where(chosen < self.size, chosen.astype(np.int64), places)
            self._places = np.concatenate((self._places, places))
            self._waiting = np.concatenate((self._waiting, rows[taken].astype(np.float32)))
        self.n_seen += n

    def turn(self) -> None:
        """Let what was learned count: the end of a block."""
        if not len(self._places):
            return
        filled = np.zeros((max(len(self.rows), int(self._places.max()) + 1), self.rows.shape[1]), dtype=np.float32)
        filled[: len(self.rows)] = self.rows
        filled[self._places] = self._waiting  # of two rows for one place, the later one
        self.rows = filled
        self._places, self._waiting = self._places[:0], self._waiting[:0]

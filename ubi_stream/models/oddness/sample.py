"""A sample of a stream that changes at the ends of blocks alone, and fades."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ubi_stream.models.arrays import FloatArray
from ubi_stream.models.oddness.noise import uniforms


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
        self._places: list[int] = []
        self._waiting: list[NDArray[np.float32]] = []

    def learn_many(self, rows: FloatArray) -> None:
        """Take in rows of shape (n, width), in order; they count from the next `turn` on."""
        n = len(rows)
        numbers = np.arange(self.n_seen, self.n_seen + n)
        chance = uniforms(self.seed, 2 * self.n_seen, 2 * n).reshape(n, 2)
        taken = chance[:, 0] * np.minimum(numbers + 1, self.horizon) < self.size
        for position in np.flatnonzero(taken).tolist():
            number = self.n_seen + position
            place = number if number < self.size else int(chance[position, 1] * self.size)
            self._places.append(place)
            self._waiting.append(rows[position].astype(np.float32))
        self.n_seen += n

    def turn(self) -> None:
        """Let what was learned count: the end of a block."""
        if not self._places:
            return
        filled = np.zeros((max(len(self.rows), max(self._places) + 1), self.rows.shape[1]), dtype=np.float32)
        filled[: len(self.rows)] = self.rows
        for place, row in zip(self._places, self._waiting, strict=True):
            filled[place] = row
        self.rows = filled
        self._places, self._waiting = [], []

"""What detectors are asked about, and what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import FloatArray
from ubi_stream.models.anomaly.noise import Keys, keys_of


@dataclass(frozen=True, slots=True)
class DetectorInputs:
    """Rows to be judged.

    Attributes
    ----------
    rows
        Shape (n, F), NaN where missing.
    own
        Deviations from the entity's own baseline, shape (n, k); NaN where there is none. k may be 0.
    combinations, exact
        Keys of each row's discrete values, and of the whole row, shape (n,).
    """

    rows: FloatArray
    own: FloatArray
    combinations: Keys
    exact: Keys

    @classmethod
    def of(cls, rows: FloatArray, own: FloatArray | None = None, combinations: Keys | None = None) -> DetectorInputs:
        """Sights of rows that may have no own baseline, or no discrete values."""
        if own is None:
            own = np.zeros((len(rows), 0))
        if combinations is None:
            combinations = np.zeros(len(rows), dtype=np.uint64)
        return cls(rows, own, combinations, keys_of(rows))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> DetectorInputs:
        return DetectorInputs(self.rows[part], self.own[part], self.combinations[part], self.exact[part])


@dataclass(frozen=True, slots=True)
class DetectorScores:
    """What the detectors say about rows; good until something is learned.

    Attributes
    ----------
    score
        Shape (n,), in [0, 1]: decades of the combined share over six. NaN while warming up.
    shares
        Shape (n, detectors): share of earlier rows that were at least as odd, in [1e-6, 1].
    answers
        The same shape: what the detectors measure, in their own units; NaN where they can't tell.
    """

    score: FloatArray
    shares: FloatArray
    answers: FloatArray
    leaves: NDArray[np.intp] | None

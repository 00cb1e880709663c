"""How far away is the crowd? Distance to the nearest part of a sample of the past."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import MAX_ABS, FloatArray, as_rows, clipped
from ubi_stream.models.anomaly.sample import FadingSample

_CROWD: Final = 0.07
"""Share of the sample that is company: anomalies that make up less of the past don't vouch for each other."""

_FAR: Final = 10.0
"""Deviations at which one feature is as far away as it can be: a broken sensor must not drown the others."""

_SAME: Final = 1e-9
"""Least spread, as a share of the values' size: below it a column is constant, and every other value is far."""

_NOISE_FLOOR: Final = 1e-30

_WIDTH: Final = 2.563
"""Distance of the tenth and the ninetieth percentile of a normal, in deviations."""

_CHUNK: Final = 16
"""Rows compared at a time: their gaps to the sample in each feature stay in the processor's cache."""

_DERIVED: Final = frozenset(("used", "centre", "scale", "_columns"))


class NearestNeighbour:
    """Distance from a row to the nearest part of a sample of the past, in deviations, summed over the features.

    The sample stands for a long past, so a burst of anomalies doesn't make itself normal, which is what blinds
    half-space trees. A missing value counts as the sample's median: it is no evidence.

    Parameters
    ----------
    n_features
        Columns of a row, of any scale; NaN is missing.
    size, horizon
        Rows of the sample, and events that it stands for.
    seed
        Of the sampling.

    Attributes
    ----------
    used
        Columns that have a value somewhere in the sample.
    centre, scale
        Median of each column, and 1 / its spread about it; 0 where nothing is known.

    Examples
    --------
    >>> crowd = NearestNeighbour(2, size=50)
    >>> crowd.learn_many(np.random.default_rng(0).standard_normal((50, 2)))
    >>> crowd.turn()
    >>> near, far = crowd.score_many(np.array([[0.0, 0.0], [5.0, 0.0]]))
    >>> bool(near < 1.0 < far)
    True

    References
    ----------
    S. Ramaswamy, R. Rastogi, K. Shim: Efficient algorithms for mining outliers from large data sets. SIGMOD 2000.
    M. Sugiyama, K. Borgwardt: Rapid distance-based outlier detection via sampling. NIPS 2013.
    """

    def __init__(self, n_features: int, *, size: int = 192, horizon: int = 200_000, seed: int = 0) -> None:
        self.n_features = n_features
        self.size = size
        self.sample = FadingSample(size, n_features, horizon=horizon, seed=seed)
        self._prepare()

    @property
    def ready(self) -> bool:
        """Whether there is a past to compare with."""
        return len(self.sample.rows) > 0

    def score_many(self, rows: FloatArray) -> FloatArray:
        """Return the distance of each row, shape (n,); NaN while there is no sample."""
        x = as_rows(rows, self.n_features)
        if not self.ready:
            return np.full(len(x), np.nan)
        nearest = np.empty(len(x))
        for start in range(0, len(x), _CHUNK):
            nearest[start : start + _CHUNK] = self._nearest(x[start : start + _CHUNK])
        return nearest

    def _nearest(self, x: FloatArray) -> FloatArray:
        n_sample = self._columns.shape[1]
        scaled = self.standardised(x).astype(np.float32)[:, self.used]
        gaps = scaled[:, :, np.newaxis] - self._columns
        np.abs(gaps, out=gaps)
        np.minimum(gaps, np.float32(_FAR), out=gaps)
        # Feature after feature, for all of the sample: a sum over an axis that is not the last has no other order.
        total: NDArray[np.float32] = np.add.reduce(gaps, axis=1)
        rank = min(int(_CROWD * self.size), n_sample - 1)
        total.partition(rank, axis=1)
        return total[:, rank].astype(np.float64)

    def learn_many(self, rows: FloatArray) -> None:
        """Take in rows; they count from the next `turn` on."""
        x = as_rows(rows, self.n_features)
        self.sample.learn_many(np.where(np.isfinite(x), clipped(x, MAX_ABS), np.nan))

    def turn(self) -> None:
        """Renew the sample, its centre and its spread: the end of a block."""
        self.sample.turn()
        self._prepare()

    def standardised(self, rows: FloatArray) -> FloatArray:
        """Rows as deviations from the sample's median; 0 where a value is missing."""
        deviations: FloatArray = (clipped(rows, MAX_ABS) - self.centre) * self.scale
        return np.where(np.isnan(deviations), 0.0, clipped(deviations, MAX_ABS))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what the sample gives."""
        return {name: value for name, value in vars(self).items() if name not in _DERIVED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def _prepare(self) -> None:
        sample = self.sample.rows.astype(np.float64)
        seen = ~np.isnan(sample)
        self.used = np.flatnonzero(seen.any(axis=0))
        ordered = np.sort(sample, axis=0)[:, self.used]  # NaN last
        counts = seen.sum(axis=0)[self.used]
        low, middle, high = (_at(ordered, counts, share) for share in (0.1, 0.5, 0.9))
        gaps = np.where(seen[:, self.used], sample[:, self.used] - middle, 0.0)
        deviation = np.sqrt(np.add.reduce(gaps * gaps, axis=0) / np.maximum(counts, 1))
        # Anomalies in the sample must not widen what is usual; a column that is nearly always the same has no width.
        width = (high - low) / _WIDTH
        spread = np.where(width > 0.0, np.minimum(width, deviation), deviation)
        self.centre, self.scale = np.zeros((2, self.n_features))
        self.centre[self.used] = middle
        self.scale[self.used] = 1.0 / np.maximum(spread, _SAME * np.abs(middle) + _NOISE_FLOOR)
        columns = self.standardised(sample)[:, self.used].T
        self._columns: NDArray[np.float32] = np.ascontiguousarray(columns, dtype=np.float32)


def _at(ordered: FloatArray, counts: NDArray[np.intp], share: float) -> FloatArray:
    """The value of each sorted column below which a share of it lies."""
    places = np.minimum((counts * share).astype(np.intp), np.maximum(counts - 1, 0))
    values: FloatArray = np.take_along_axis(ordered, places[np.newaxis], axis=0)[0] if len(ordered) else ordered.sum(0)
    return values

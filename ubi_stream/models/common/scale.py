"""Rows of features as deviations from their running mean, in standard deviations."""

from __future__ import annotations

import numpy as np

from ubi_stream.arrays import MAX_ABS, FloatArray, clipped


class RunningScale:
    """Mean and variance of each feature over all rows learned.

    A missing value (NaN, or infinite) counts as the mean: its deviation is 0, and it moves no moment. Others are
    clipped to ±1e12. A feature that hasn't varied yet has no deviation.

    Parameters
    ----------
    n_features
        Number of columns.
    limit
        Deviations are clipped to ± this: what lies further out is a broken sensor or another unit.

    Attributes
    ----------
    counts
        Values of each feature so far.

    Examples
    --------
    >>> scale = RunningScale(1, limit=5.0)
    >>> for value in (1.0, 3.0):
    ...     scale.learn(np.array([value]))
    >>> scale.deviations(np.array([[2.0], [3.0], [np.nan], [1e9]])).ravel()
    array([0., 1., 0., 5.])

    References
    ----------
    B. P. Welford: Note on a method for calculating corrected sums of squares and products. Technometrics 4, 1962.
    """

    def __init__(self, n_features: int, limit: float) -> None:
        self.limit = limit
        self.means = np.zeros(n_features)
        self.counts = np.zeros(n_features)
        self._variances = np.zeros(n_features)
        self._scales = np.zeros(n_features)  # 1 / standard deviation; 0 for a feature that hasn't varied yet

    def deviations(self, rows: FloatArray) -> FloatArray:
        """Return the deviations of rows of shape (..., F); changes nothing."""
        deviations = clipped(rows, MAX_ABS)
        deviations -= self.means
        deviations *= self._scales
        return np.where(np.isfinite(rows), clipped(deviations, self.limit), 0.0)

    def learn(self, row: FloatArray) -> None:
        """Take in a row of shape (F,)."""
        present = np.isfinite(row)
        values = clipped(np.where(present, row, self.means), MAX_ABS)
        self.counts += present
        share = present / np.maximum(self.counts, 1.0)
        deviation = values - self.means
        self.means += deviation * share
        self._variances += (deviation * (values - self.means) - self._variances) * share
        np.divide(1.0, np.sqrt(self._variances), out=self._scales, where=self._variances > 0.0)

"""The classifiers of a pack's default tier: a line, and a line and a curve blended, on rows of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ubi_stream.arrays import FloatArray, clipped, row_sums, sigmoids
from ubi_stream.models.common.protocol import RowModel
from ubi_stream.models.common.scale import RunningScale
from ubi_stream.models.outcomes.fast import projections
from ubi_stream.models.outcomes.kalman import KalmanLogistic

_MAX_DEVIATION = 50.0
_BODY = 3.0
"""Standard deviations: second-order steps trust what they see, so what lies further out has a weight of its own."""

_SETTLE = 50
"""Values after which it can be told what lies far out."""

_BLEND_BIAS = 0.3
_BLEND_LIMIT = 7.0
_BLEND_PRIOR = 0.1
_CURVE_PRIOR = 30.0
_FLAT = 2.0
"""As in `FastBlend`."""


class BayesLine(RowModel):
    """Logistic regression with second-order steps, on standardised features.

    One pass is enough, as each direction of the features has its own step size. Scores are those of the mean weights,
    so that a chunk of rows is scored by array operations; a calibrator follows anyway. The default memory and prior
    suit tens of features and labels by the thousand.

    Parameters
    ----------
    n_features
        Number of columns.
    prior
        Variance of a weight before any evidence.
    memory
        Labels after which an old one counts 1 / e.

    Examples
    --------
    >>> model = BayesLine(1)
    >>> for value in [2.0, 9.0, 12.0, 18.0] * 10:
    ...     model.learn(np.array([value]), value > 10)
    >>> model.score(np.array([2.0])) < 0.3 < 0.7 < model.score(np.array([18.0]))
    True

    References
    ----------
    J. de Vilmarest, O. Wintenberger: Stochastic online optimization using Kalman recursion. JMLR 22, 2021.
    """

    def __init__(self, n_features: int, prior: float = 0.1, memory: float = 1_000.0) -> None:
        self.scale = RunningScale(n_features, _MAX_DEVIATION)
        self.line = KalmanLogistic(prior, memory)
        self.line.widen(1 + 2 * n_features)

    def score(self, row: FloatArray) -> float:
        """Return the probability of True for a row of shape (F,)."""
        return float(self.score_many(row[np.newaxis])[0])

    def score_many(self, rows: FloatArray) -> FloatArray:
        """Return the probability of True for rows of shape (n, F)."""
        return sigmoids(self._log_odds(self._columns(rows)))

    def learn(self, row: FloatArray, positive: bool, weight: float = 1.0) -> None:
        """Learn that a row ended in `positive`."""
        self.scale.learn(row)
        self.line.learn(self.line.look(_with_one(self._columns(row))), positive, weight)

    def contributions(self, row: FloatArray, baseline: FloatArray) -> FloatArray:
        """Return weight times difference of the deviations: they add up to the difference of the log-odds."""
        parts = (self._columns(row) - self._columns(baseline)) * self.line.weights[1:]
        together: FloatArray = parts[: len(row)] + parts[len(row) :]
        return together

    def describe(self) -> Mapping[str, Any]:
        """Return what it is."""
        return {"model": "line", "linear": True, "labels": self.line.n_seen}

    def _columns(self, rows: FloatArray) -> FloatArray:
        """Deviations of rows of shape (..., F), and how far they lie outside of the body, shape (..., 2 F).

        The second are in bodies, not in standard deviations: a few outliers alone must not make the model certain.
        """
        deviations = self.scale.deviations(rows)
        body = clipped(deviations, _BODY)
        outside = np.where(self.scale.counts >= _SETTLE, (deviations - body) / _BODY, 0.0)
        return np.concatenate((body, outside), axis=-1)

    def _log_odds(self, columns: FloatArray) -> FloatArray:
        log_odds: FloatArray = row_sums(columns * self.line.weights[1:]) + self.line.weights[0]
        return log_odds


class BayesBlend(BayesLine):
    """A line, and a curve of random waves, blended by a third regression: `FastBlend` for rows of numbers.

    Parameters
    ----------
    n_features
        Number of columns.
    waves
        Random projections; each gives two features of the curve.
    prior, memory
        Of the line.
    curve_memory, blend_memory
        Labels after which an old one counts 1 / e in the curve and in the blend.
    seed
        Of the projections.

    Examples
    --------
    >>> model = BayesBlend(1)
    >>> for value in [-2.0, 0.1, -0.1, 2.0] * 100:
    ...     model.learn(np.array([value]), abs(value) < 1)
    >>> model.score(np.array([2.0])) < 0.2 < 0.8 < model.score(np.array([0.0]))
    True

    References
    ----------
    A. Rahimi, B. Recht: Random features for large-scale kernel machines. NIPS 2007.
    """

    def __init__(
        self,
        n_features: int,
        waves: int = 16,
        prior: float = 0.1,
        memory: float = 1_000.0,
        curve_memory: float = 5_000.0,
        blend_memory: float = 2_000.0,
        seed: int = 1,
    ) -> None:
        super().__init__(n_features, prior, memory)
        self.curve = KalmanLogistic(_CURVE_PRIOR / waves, curve_memory)
        self.curve.widen(2 * waves + 1)
        self.blend = KalmanLogistic(_BLEND_PRIOR, blend_memory)
        self.blend.widen(2, 0.5)
        self.blend.widen(3)
        self._projections = projections(waves, n_features, seed) / math.sqrt(n_features)

    def score_many(self, rows: FloatArray) -> FloatArray:
        """Return the probability of True for rows of shape (n, F)."""
        columns = self._columns(rows)
        predicted = self._said(columns, self._waves(columns))
        return sigmoids(row_sums(predicted * self.blend.weights))

    def learn(self, row: FloatArray, positive: bool, weight: float = 1.0) -> None:
        """Learn that a row ended in `positive`: the blend first, from what was said before."""
        columns = self._columns(row)[np.newaxis]
        waves = self._waves(columns)
        self.blend.learn(self.blend.look(self._said(columns, waves)[0]), positive, weight)
        self.curve.learn(self.curve.look(waves[0]), positive, weight)
        super().learn(row, positive, weight)

    def contributions(self, row: FloatArray, baseline: FloatArray) -> FloatArray:
        """Return the log-odds of `row` minus those with one feature at a time at its value in `baseline`."""
        return RowModel.contributions(self, row, baseline)

    def describe(self) -> Mapping[str, Any]:
        """Return what it is."""
        return {"model": "blend", "linear": False, "labels": self.line.n_seen}

    def snapshot(self) -> Mapping[str, Any]:
        """Leave out the projections, which the seed gives."""
        return {name: value for name, value in vars(self).items() if name != "_projections"}

    def _said(self, columns: FloatArray, waves: FloatArray) -> FloatArray:
        """Log-odds of the two experts, and the blend's constant, shape (n, 3)."""
        line, curve = self._log_odds(columns), row_sums(waves * self.curve.weights)
        return clipped(np.stack((line, curve, np.full(len(line), _BLEND_BIAS)), axis=1), _BLEND_LIMIT)

    def _waves(self, columns: FloatArray) -> FloatArray:
        deviations = columns[:, : self._projections.shape[1]]
        angles = row_sums(deviations[:, np.newaxis, :] * self._projections).tolist()
        waves = [[math.cos(a) for a in row] + [math.sin(a) for a in row] + [_FLAT] for row in angles]
        return np.array(waves, dtype=np.float64).reshape(len(waves), len(self.curve.weights))


def _with_one(columns: FloatArray) -> FloatArray:
    return np.concatenate(((1.0,), columns))

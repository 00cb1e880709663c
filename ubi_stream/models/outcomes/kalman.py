"""Logistic regression that keeps how unsure it is of each weight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ubi_stream.arrays import FloatArray, sigmoid

_FOLD = 64
"""Labels after which the scalar gain goes into the matrix, and the variances are bounded."""

_MIN_CURVATURE = 1e-4
"""Of the likelihood: a certain prediction still teaches something when it is wrong."""


@dataclass(frozen=True, slots=True)
class KalmanPrediction:
    """A row as the model sees it now; good until the model learns.

    Attributes
    ----------
    row
        The features.
    logit
        Log-odds of True at the mean weights.
    direction
        Covariance times row, without the gain.
    variance
        Of the logit.
    """

    row: FloatArray
    logit: float
    direction: FloatArray
    variance: float

    @property
    def moderated(self) -> float:
        """Log-odds drawn towards 0 by as much as the weights are uncertain."""
        return self.logit / math.sqrt(1.0 + math.pi / 8.0 * max(self.variance, 0.0))


class KalmanLogistic:
    """Bayesian logistic regression: one second-order step per label, forgetting exponentially.

    The weights are normal with a full covariance; a label updates both, as in an extended Kalman filter. So one pass is
    enough: each direction of the features has its own step size, which falls as evidence comes. Forgetting divides the
    covariance by a constant per label. A variance never exceeds its prior for long, so a feature that doesn't vary
    can't blow up.

    Parameters
    ----------
    prior
        Variance of a weight before any evidence. Features should be of about unit size.
    memory
        Labels after which an old one counts 1 / e.

    Examples
    --------
    >>> model = KalmanLogistic(prior=1.0)
    >>> model.widen(1)
    >>> for _ in range(50):
    ...     model.learn(model.look(np.array([1.0])), True)
    ...     model.learn(model.look(np.array([-1.0])), False)
    >>> sigmoid(model.look(np.array([1.0])).moderated) > 0.9
    True

    References
    ----------
    J. de Vilmarest, O. Wintenberger: Stochastic online optimization using Kalman recursion. JMLR 22, 2021.
    W. D. Penny, S. J. Roberts: Dynamic logistic regression. IJCNN 1999.
    D. J. C. MacKay: The evidence framework applied to classification networks. Neural Computation 4, 1992 (the
    probability under uncertain weights).
    """

    def __init__(self, prior: float = 0.3, memory: float = 1_000.0) -> None:
        self.prior = prior
        self.memory = memory
        self.n_seen = 0
        self.weights = np.zeros(0)
        self._covariance = np.zeros((0, 0))
        self._gain = 1.0  # the covariance is `_gain * _covariance`
        self._growth = 1.0 / (1.0 - 1.0 / memory)

    def look(self, row: FloatArray) -> KalmanPrediction:
        """Look at a row of as many features as the model has; changes nothing."""
        direction = self._covariance @ row
        return KalmanPrediction(row, float(row @ self.weights), direction, self._gain * float(row @ direction))

    def learn(self, look: KalmanPrediction, outcome: bool, weight: float = 1.0) -> None:
        """Learn that the row just looked at ended in `outcome`."""
        probability = sigmoid(look.logit)
        curvature = weight * max(probability * (1.0 - probability), _MIN_CURVATURE)
        shrink = 1.0 / (1.0 + curvature * look.variance)
        self.weights += look.direction * (self._gain * shrink * weight * (outcome - probability))
        scaled = look.direction * math.sqrt(self._gain * curvature * shrink)
        self._covariance -= scaled[:, np.newaxis] * scaled
        self._gain *= self._growth
        self.n_seen += 1
        if self.n_seen % _FOLD == 0:
            self._fold()

    def widen(self, width: int, weight: float = 0.0) -> None:
        """Add features at the end, up to `width`; they start from `weight` and the prior."""
        n = len(self.weights)
        if width <= n:
            return
        self.weights = np.concatenate((self.weights, np.full(width - n, weight)))
        wider = np.zeros((width, width))
        wider[:n, :n] = self._covariance
        new = np.arange(n, width)
        wider[new, new] = self.prior / self._gain
        self._covariance = wider

    def _fold(self) -> None:
        self._covariance *= self._gain
        self._gain = 1.0
        variances = self._covariance.diagonal()
        if float(variances.max(initial=0.0)) > self.prior:
            scale = np.sqrt(self.prior / np.maximum(variances, self.prior))
            self._covariance *= scale[:, np.newaxis] * scale

    def __getstate__(self) -> dict[str, Any]:
        """Leave out one half of the covariance: it is symmetric to the bit, and most of a snapshot."""
        half = self._covariance[np.triu_indices(len(self.weights))]
        return vars(self) | {"_covariance": half}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Mirror the other half."""
        self.__dict__.update(state)
        n = len(self.weights)
        half, self._covariance = self._covariance, np.zeros((n, n))
        upper = np.triu_indices(n)
        self._covariance[upper] = half
        self._covariance.T[upper] = half

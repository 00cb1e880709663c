"""How likely a person is to confirm an alert: learned from few labels, so it says how sure it can be at once."""

from __future__ import annotations

from math import ceil
from typing import Final

import numpy as np

from ubi_stream.arrays import FloatArray, row_sums, sigmoid

_PRECISION: Final = 1.0
"""Of a weight before any label: the first label of an alert moves its probability from 0.5 to about 0.7."""
_MOST_PRECISION: Final = 25.0
"""Some hundred labels. Bounded, so that what people think now counts more than what they thought long ago."""
_MOST_DEVIATION: Final = 1.0
"""Length of a row of deviations: features are in [0, 1], and one odd row must not count for many."""


class AlertPrecisionModel:
    """Logistic regression with a Gaussian prior, learned one label at a time.

    Each weight has a mean and a precision; a label moves the mean by its gradient over the precision, and adds what it
    says to the precision (a diagonal Laplace approximation). So it starts without an opinion, learns quickly from the
    first labels, and slower from later ones.

    Parameters
    ----------
    n_features
        Length of a row. A row holds deviations of scaled features from what is usual; NaN counts as usual.

    Attributes
    ----------
    n_seen
        Labels learned.

    Examples
    --------
    >>> model = AlertPrecisionModel(2)
    >>> row = np.array([0.8, np.nan])
    >>> model.probability(row)
    0.5
    >>> model.learn(row, confirmed=False)
    >>> round(model.probability(row), 2), round(model.probability(-row), 2)
    (0.34, 0.47)

    References
    ----------
    O. Chapelle, L. Li: An empirical evaluation of Thompson sampling. NIPS 2011 (algorithm 3).
    """

    def __init__(self, n_features: int) -> None:
        self.n_seen = 0
        self._means = np.zeros(n_features + 1)
        self._precisions = np.full(n_features + 1, _PRECISION)

    def probability(self, row: FloatArray) -> float:
        """Probability that a person confirms the alert, in (0, 1); 0.5 before any label."""
        return sigmoid(float(row_sums(_inputs(row) * self._means)))

    def learn(self, row: FloatArray, *, confirmed: bool, weight: float = 1.0) -> None:
        """Learn a label; `weight` is positive. A heavy one counts as several, not as one that is larger."""
        inputs = _inputs(row)
        steps = ceil(weight)
        for _ in range(steps):
            probability = sigmoid(float(row_sums(inputs * self._means)))
            share = weight / steps
            gained = share * probability * (1.0 - probability) * inputs * inputs
            self._precisions = np.minimum(self._precisions + gained, _MOST_PRECISION)
            self._means = self._means - share * (probability - confirmed) * inputs / self._precisions
        self.n_seen += 1


def _inputs(row: FloatArray) -> FloatArray:
    """A constant, and the deviations, no longer than `_MOST_DEVIATION` as a vector."""
    deviations = np.where(np.isfinite(row), row, 0.0)
    length = float(np.sqrt(row_sums(deviations * deviations)))
    if length > _MOST_DEVIATION:
        deviations = deviations * (_MOST_DEVIATION / length)
    return np.concatenate(([1.0], deviations))

"""Online logistic regression on standardised features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from river.base import Classifier

from ubi_stream.arrays import FloatArray, as_rows, row_of, row_sums, sigmoid, sigmoids
from ubi_stream.models.common.protocol import RowModel
from ubi_stream.models.common.scale import RunningScale

_MAX_DEVIATION = 50.0
"""Standard deviations. What lies further out is a broken sensor or another unit; unclipped, it wrecks the weights."""


class OnlineLogistic(Classifier):  # type: ignore[misc]  # River's classes are untyped under strict mode
    """Logistic regression by stochastic gradient descent with L2, on features standardised by their running moments.

    The same as River's `StandardScaler() | LogisticRegression(optimizer=SGD(lr), l2=l2, intercept_lr=intercept_lr)`, in
    arrays. A missing value (NaN, or infinite) counts as the feature's mean: it moves neither the prediction, nor its
    weight, nor its moments. Values are clipped to ±1e12 and deviations to ±50 standard deviations.

    Parameters
    ----------
    features
        Names of the columns.
    lr, intercept_lr
        Step sizes of weights and intercept.
    l2
        Pull of the weights towards zero.
    min_labels, min_per_class
        Evidence without which `ready` is False: labels in all, and of the rarer class.

    Examples
    --------
    >>> model = OnlineLogistic(("visits",), lr=0.1, min_labels=20, min_per_class=5)
    >>> for visits in [2.0, 9.0, 12.0, 18.0] * 10:
    ...     model.learn(np.array([visits]), visits > 10)
    >>> model.ready, model.n_seen
    (True, 40)
    >>> model.predict(np.array([2.0])) < 0.3 < 0.7 < model.predict(np.array([18.0]))
    True

    References
    ----------
    L. Bottou: Large-scale machine learning with stochastic gradient descent. COMPSTAT 2010.
    """

    def __init__(
        self,
        features: tuple[str, ...] = ("x",),
        lr: float = 0.01,
        l2: float = 0.0,
        intercept_lr: float = 0.01,
        min_labels: int = 200,
        min_per_class: int = 20,
    ) -> None:
        self.features = tuple(features)
        self.lr = lr
        self.l2 = l2
        self.intercept_lr = intercept_lr
        self.min_labels = min_labels
        self.min_per_class = min_per_class
        self.n_seen = 0
        self.n_positive = 0
        self.intercept = 0.0
        self.weights = np.zeros(len(self.features))
        self._scale = RunningScale(len(self.features), _MAX_DEVIATION)

    @property
    def ready(self) -> bool:
        """Whether there is evidence enough to show a prediction to anybody."""
        rarer = min(self.n_positive, self.n_seen - self.n_positive)
        return self.n_seen >= self.min_labels and rarer >= self.min_per_class

    def predict(self, row: FloatArray) -> float:
        """Return the probability of True for a row of shape (F,), before calibration; 0.5 before any label."""
        return float(self.predict_many(row[np.newaxis])[0])

    def predict_many(self, x: FloatArray) -> FloatArray:
        """Return the probability of True for rows of shape (n, F), as the model stands: valid between two labels."""
        return sigmoids(self._logits(as_rows(x, len(self.features))))

    def learn(self, row: FloatArray, outcome: bool, weight: float = 1.0) -> None:
        """Learn that a row of shape (F,) ended in `outcome`.

        Raises
        ------
        ValueError
            `weight` is negative or not finite.
        """
        if not 0.0 <= weight < math.inf:
            raise ValueError(f"a label's weight is a finite number of at least 0, not {weight}")
        self._scale.learn(row)
        deviations = self._scale.deviations(row)
        logit = float(row_sums(deviations * self.weights)) + self.intercept
        gradient = weight * (sigmoid(logit) - outcome)
        self.intercept -= self.intercept_lr * gradient
        step = gradient * deviations
        if self.l2:
            step += self.l2 * np.isfinite(row) * self.weights
        self.weights -= self.lr * step
        self.n_seen += 1
        self.n_positive += bool(outcome)

    def contributions(self, row: FloatArray) -> FloatArray:
        """Return weight times deviation of each feature, shape (F,): with the intercept they add up to the log-odds."""
        return self._scale.deviations(row) * self.weights

    def predict_proba_one(self, x: Mapping[str, float | None]) -> dict[bool, float]:
        """Return both probabilities for named values, River's way."""
        probability = self.predict(row_of(x, self.features))
        return {False: 1.0 - probability, True: probability}

    def learn_one(self, x: Mapping[str, float | None], y: bool, w: float = 1.0) -> None:
        """Learn named values, River's way."""
        self.learn(row_of(x, self.features), y, w)

    def _logits(self, rows: FloatArray) -> FloatArray:
        return row_sums(self._scale.deviations(rows) * self.weights) + self.intercept


class LogisticRows(RowModel):
    """`OnlineLogistic` as a model of a panel. The panel knows itself when there is evidence enough.

    Parameters
    ----------
    features
        Names of the columns.
    lr, l2, intercept_lr
        As of `OnlineLogistic`.
    """

    def __init__(
        self, features: Sequence[str], lr: float = 0.02, l2: float = 0.0001, intercept_lr: float = 0.02
    ) -> None:
        self.model = OnlineLogistic(tuple(features), lr=lr, l2=l2, intercept_lr=intercept_lr)

    def score(self, row: FloatArray) -> float:
        """Return the probability of True for a row of shape (F,)."""
        return self.model.predict(row)

    def score_many(self, rows: FloatArray) -> FloatArray:
        """Return the probability of True for rows of shape (n, F)."""
        return self.model.predict_many(rows)

    def learn(self, row: FloatArray, positive: bool, weight: float = 1.0) -> None:
        """Learn that a row ended in `positive`."""
        self.model.learn(row, positive, weight)

    def contributions(self, row: FloatArray, baseline: FloatArray) -> FloatArray:
        """Return weight times difference of the deviations: they add up to the difference of the log-odds."""
        return self.model.contributions(row) - self.model.contributions(baseline)

    def describe(self) -> Mapping[str, Any]:
        """Return what it is."""
        return {"model": "logistic", "linear": True, "labels": self.model.n_seen}

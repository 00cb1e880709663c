"""The classifier of the default tier: a line and a curve, blended."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from river.base import Classifier

from ubi_stream.arrays import FloatArray, clipped, sigmoid
from ubi_stream.models.common.encoder import Encoded, FeatureEncoder
from ubi_stream.models.outcomes.kalman import KalmanLogistic, KalmanPrediction

_WIDTHS = (0.7, 1.4, 2.0)
"""Frequencies of the curve, per standard deviation of the features: broad, middling and narrow shapes."""

_FLAT = 2.0
"""The curve's constant feature: its prior is as wide as that of a bundle of waves."""

_LABEL_STEPS = np.array([1.0, 1.0 - 0.5 ** (1 / 3), 1.0 - 0.5 ** (1 / 20)])
"""The last label, and running means of the labels with half-lives of 3 and 20."""

_LINE_PRIOR = 0.1
_BLEND_PRIOR = 0.1
_CURVE_PRIOR = 30.0
"""Variances of a weight of the line, a weight of the blend, and the curve as a whole: beliefs about log-odds."""

_BLEND_BIAS = 0.3
_BLEND_LIMIT = 7.0
"""Log-odds of an expert; further out is certainty that no online model has."""


@dataclass(frozen=True, slots=True)
class _ExpertInputs:
    """What the parts say of a row, as the model stands."""

    x: dict[str, Any]
    encoded: Encoded
    line: KalmanPrediction
    curve: KalmanPrediction
    blend: KalmanPrediction


class FastBlend(Classifier):  # type: ignore[misc]  # River's classes are untyped under strict mode
    """A binary classifier for streams whose features are of any kind, within tens of microseconds per event.

    Two experts, both Bayesian logistic regressions that take a full second-order step per label:

    - the line sees every column of `FeatureEncoder` and the most recent labels (labels of a stream are often alike:
      this is the no-change baseline, built in)
    - the curve sees cosines and sines of random projections of the numbers, an approximation of a Gaussian kernel

    A third, tiny one blends their log-odds and learns which of them to trust; as it is trained on predictions that were
    made before the label came, the probability is calibrated without a further step.

    Where labels come late or out of order, say so: "recent" is then another thing when predicting than when learning,
    and both what it knows of recent labels and the columns of recent change are left out.

    Parameters
    ----------
    waves
        Random projections; each gives two features of the curve. Time and memory grow with the square.
    capacity
        Most columns of the encoder that none shares.
    line_memory, curve_memory, blend_memory
        Labels after which an old one counts 1 / e.
    at_once
        Whether each label comes before the next prediction.
    seed
        The same seed gives the same projections.

    Examples
    --------
    >>> from river import datasets
    >>> model = FastBlend(seed=1)
    >>> hits = 0
    >>> for x, y in datasets.Phishing():
    ...     hits += model.predict_one(x) == y
    ...     model.learn_one(x, y)
    >>> hits / 1250 > 0.91
    True

    References
    ----------
    A. Rahimi, B. Recht: Random features for large-scale kernel machines. NIPS 2007.
    M. D. McKay, R. J. Beckman, W. J. Conover: A comparison of three methods for selecting values of input variables.
    Technometrics 21, 1979 (Latin hypercubes).
    D. H. Wolpert: Stacked generalization. Neural Networks 5, 1992.
    J. de Vilmarest, O. Wintenberger: Stochastic online optimization using Kalman recursion. JMLR 22, 2021.
    """

    def __init__(
        self,
        waves: int = 40,
        capacity: int = 160,
        line_memory: float = 1_000.0,
        curve_memory: float = 5_000.0,
        blend_memory: float = 2_000.0,
        at_once: bool = True,
        seed: int = 1,
    ) -> None:
        self.waves = waves
        self.capacity = capacity
        self.line_memory = line_memory
        self.curve_memory = curve_memory
        self.blend_memory = blend_memory
        self.at_once = at_once
        self.seed = seed
        self.n_seen = 0
        self.encoder = FeatureEncoder(capacity, recent=at_once)
        self.line = KalmanLogistic(_LINE_PRIOR, line_memory)
        self.curve = KalmanLogistic(_CURVE_PRIOR / max(waves, 1), curve_memory)
        self.blend = KalmanLogistic(_BLEND_PRIOR, blend_memory)
        self._labels = np.zeros(len(_LABEL_STEPS))
        self._projections = projections(waves, capacity, seed)
        self.line.widen(1 + len(self._labels))
        self.curve.widen(2 * waves + 1)
        self.blend.widen(2, 0.5)
        self.blend.widen(3)
        self._inputs: _ExpertInputs | None = None

    def predict_proba_one(self, x: Mapping[str, Any]) -> dict[bool, float]:
        """Return both probabilities; 0.5 each before any label."""
        probability = sigmoid(self._look(x).blend.moderated)
        return {False: 1.0 - probability, True: probability}

    def learn_one(self, x: Mapping[str, Any], y: bool, w: float = 1.0) -> None:
        """Learn that named values ended in `y`."""
        inputs = self._look(x)
        self._inputs = None
        self.blend.learn(inputs.blend, y, w)
        self.line.learn(inputs.line, y, w)
        self.curve.learn(inputs.curve, y, w)
        self.encoder.learn(x, inputs.encoded)
        self.line.widen(1 + len(self._labels) + self.encoder.width)
        if self.at_once:
            self._labels += _LABEL_STEPS * ((1.0 if y else -1.0) - self._labels)
        self.n_seen += 1

    def _look(self, x: Mapping[str, Any]) -> _ExpertInputs:
        """What all parts say; remembered from a prediction to the learning that follows it."""
        if self._inputs is not None and self._inputs.x == x:
            return self._inputs
        encoded = self.encoder.encode(x)
        columns = encoded.deviations
        line = self.line.look(np.concatenate(((1.0,), self._labels, columns)))
        curve = self.curve.look(self._waves(columns[self.encoder.number_columns]))
        logits = clipped(np.array((line.moderated, curve.moderated, _BLEND_BIAS)), _BLEND_LIMIT)
        self._inputs = _ExpertInputs(dict(x), encoded, line, curve, self.blend.look(logits))
        return self._inputs

    def _waves(self, numbers: FloatArray) -> FloatArray:
        n = len(numbers)
        angles = self._projections[:, :n] @ (numbers / math.sqrt(max(n, 1)))
        return np.concatenate((np.cos(angles), np.sin(angles), (_FLAT,)))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed again."""
        return vars(self) | {"_inputs": None}


def projections(waves: int, numbers: int, seed: int) -> FloatArray:
    """Return normal random numbers, shape (waves, numbers); a column doesn't depend on how many there are.

    Each column holds the same evenly spaced quantiles in another order (a Latin hypercube): quality then depends less
    on the seed than with independent draws.
    """
    rng, normal = random.Random(seed), NormalDist()
    quantiles = [normal.inv_cdf((i + 0.5) / waves) for i in range(waves)]
    widths = [_WIDTHS[wave % len(_WIDTHS)] for wave in range(waves)]
    columns = [[q * w for q, w in zip(rng.sample(quantiles, waves), widths, strict=True)] for _ in range(numbers)]
    return np.array(columns).reshape(numbers, waves).T.copy()

"""River's anomaly detectors as voices of the ensemble."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from river import anomaly, base

from ubi_stream.errors import ConfigError
from ubi_stream.models.common.river_models import last_step

BOUNDED: Final = (anomaly.HalfSpaceTrees, anomaly.LODA, anomaly.OneClassSVM)
"""Detectors of rows whose memory doesn't grow. Local outlier factors keep a thousand rows, and take milliseconds."""

OF_ONE_FIGURE: Final = (anomaly.GaussianScorer, anomaly.StandardAbsoluteDeviation)
"""Detectors of one figure, which River gives as the label."""

_MIDDLE: Final = 0.5
"""Of the features' scale."""


class RiverDetector:
    """A detector of River, or a pipeline with one at its end.

    Parameters
    ----------
    estimator
        One of `BOUNDED`; or one of `OF_ONE_FIGURE`, which is given the only feature.
    features
        Names of the values.

    Raises
    ------
    ConfigError
        The estimator is none of these, or there are several features for one figure.
    """

    def __init__(self, estimator: base.Estimator, features: Sequence[str]) -> None:
        kind = type(last_step(estimator))
        if kind not in (*BOUNDED, *OF_ONE_FIGURE):
            listed = ", ".join(sorted(known.__name__ for known in (*BOUNDED, *OF_ONE_FIGURE)))
            raise ConfigError(f"{kind.__name__} is no anomaly detector that may run: expected one of {listed}")
        if kind in OF_ONE_FIGURE and (len(features) != 1 or estimator is not last_step(estimator)):
            raise ConfigError(f"{kind.__name__} judges one figure: expected a single feature, and no steps before")
        self.estimator = estimator
        self.figure = features[0] if kind in OF_ONE_FIGURE else None
        if self.figure is None:  # some look for ever at what their first row has: a usual one would lack features
            estimator.learn_one(dict.fromkeys(features, _MIDDLE))

    def score_one(self, x: Mapping[str, float]) -> float:
        """Return the detector's score; NaN where its figure is missing."""
        if self.figure is None:
            return float(self.estimator.score_one(x))
        return float(self.estimator.score_one(None, x[self.figure])) if self.figure in x else math.nan

    def learn_one(self, x: Mapping[str, float]) -> None:
        """Learn the values."""
        if self.figure is None:
            self.estimator.learn_one(x)
        elif self.figure in x:
            self.estimator.learn_one(None, x[self.figure])

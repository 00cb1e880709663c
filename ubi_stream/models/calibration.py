"""Make a classifier's probability mean what it says."""

from __future__ import annotations

import math

import numpy as np

from ubi_stream.models.arrays import FloatArray, sigmoid

_EDGE = 1e-6
"""Probabilities stay this far from 0 and 1: their log-odds are finite, and nothing learned online is surer."""

_BIN_LIMIT = 6.0
"""The bins divide log-odds of ±6 (0.25 % to 99.75 %) evenly, so that a rare class is resolved too."""

_NEWTON_STEP = 10.0
_INITIAL_PRECISION = 100.0
"""Both as the paper sets them (gamma = 0.1, D = 1), for log-odds of ordinary size."""

_MAX_PARAMETER = 100.0
"""Bound of slope and offset, as in the paper's projection."""


class OnlineCalibrator:
    """Platt scaling learned by online Newton steps, and on top of it the recent mean error of each bin.

    The two parameters of the first stage, slope and offset of the log-odds, repair over-confidence and a wrong base
    rate quickly; the bins repair what a sigmoid can't and follow drift. Transform first, then learn.

    Parameters
    ----------
    bins
        Bins of the second stage, of equal width in log-odds.
    prior
        Labels' worth of belief that a bin has no error.
    half_life
        Labels of a bin after which an old error counts half.

    Examples
    --------
    >>> calibrator = OnlineCalibrator()
    >>> calibrator.transform(0.9)
    0.9
    >>> for i in range(500):
    ...     calibrator.learn(0.9, outcome=i % 2 == 0)
    >>> abs(calibrator.transform(0.9) - 0.5) < 0.05
    True

    References
    ----------
    C. Gupta, A. Ramdas: Online Platt scaling with calibeating. ICML 2023.
    D. P. Foster, S. Hart: "Calibeating": beating forecasters at their own game. Theoretical Economics 18, 2023.
    """

    def __init__(self, *, bins: int = 20, prior: float = 20.0, half_life: float = 500.0) -> None:
        self.n_seen = 0
        self._prior = prior
        self._decay = 0.5 ** (1.0 / half_life)
        self._slope = 1.0
        self._offset = 0.0
        self._precision = (_INITIAL_PRECISION, 0.0, _INITIAL_PRECISION)  # symmetric 2 x 2: ss, so, oo
        self._weights = [0.0] * bins
        self._errors = [0.0] * bins

    def transform(self, probability: float) -> float:
        """Return the calibrated probability; NaN for NaN. Unchanged before the first label."""
        if self.n_seen == 0 or math.isnan(probability):
            return probability
        log_odds = _log_odds(probability)
        scaled = self._platt(log_odds)
        index = self._bin(log_odds)
        error = self._errors[index] / (self._weights[index] + self._prior)
        return min(max(scaled + error, _EDGE), 1.0 - _EDGE)

    def transform_many(self, probabilities: FloatArray) -> FloatArray:
        """Return the calibrated probabilities, shape (n,), as the calibrator stands: valid between two labels."""
        return np.array([self.transform(probability) for probability in probabilities.tolist()])

    def learn(self, probability: float, outcome: bool, weight: float = 1.0) -> None:
        """Learn that a prediction of `probability`, before calibration, ended in `outcome`; a NaN is ignored."""
        if math.isnan(probability):
            return
        log_odds = _log_odds(probability)
        scaled = self._platt(log_odds)
        index = self._bin(log_odds)
        self._weights[index] = self._weights[index] * self._decay + weight
        self._errors[index] = self._errors[index] * self._decay + weight * (outcome - scaled)
        self._newton_step(log_odds, weight * (scaled - outcome))
        self.n_seen += 1

    def _platt(self, log_odds: float) -> float:
        return sigmoid(self._slope * log_odds + self._offset)

    def _bin(self, log_odds: float) -> int:
        """Bin by the classifier's own figure: by the scaled one, an outcome would move the bin of the next label."""
        position = (log_odds + _BIN_LIMIT) / (2.0 * _BIN_LIMIT) * len(self._errors)
        return min(max(int(position), 0), len(self._errors) - 1)

    def _newton_step(self, log_odds: float, gradient: float) -> None:
        slope_gradient, offset_gradient = gradient * log_odds, gradient
        ss, so, oo = self._precision
        ss += slope_gradient * slope_gradient
        so += slope_gradient * offset_gradient
        oo += offset_gradient * offset_gradient
        self._precision = (ss, so, oo)
        scale = _NEWTON_STEP / (ss * oo - so * so)
        self._slope = _bounded(self._slope - scale * (oo * slope_gradient - so * offset_gradient))
        self._offset = _bounded(self._offset - scale * (ss * offset_gradient - so * slope_gradient))


def _log_odds(probability: float) -> float:
    probability = min(max(probability, _EDGE), 1.0 - _EDGE)
    return math.log(probability / (1.0 - probability))


def _bounded(parameter: float) -> float:
    return min(max(parameter, -_MAX_PARAMETER), _MAX_PARAMETER)

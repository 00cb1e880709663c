"""Make a classifier's probability mean what it says."""

from __future__ import annotations

import math

import numpy as np

from ubi_stream.arrays import FloatArray, sigmoid, sigmoids

_EDGE = 1e-6
"""Probabilities stay this far from 0 and 1: their log-odds are finite, and nothing learned online is surer."""

_BIN_LIMIT = 6.0
"""The bins divide log-odds of ±6 (0.25 % to 99.75 %) evenly, so that a rare class is resolved too."""

_SLOPE_VARIANCE = 0.1
_OFFSET_VARIANCE = 1.0
"""Beliefs before any label: the classifier's log-odds have about the right scale, its base rate may be wrong. Without
them the first hundred labels of a rare class, all False, would drive every probability to 0."""

_MEMORY = 2_000.0
"""Labels after which an old one counts 1 / e in the first stage."""

_MIN_CURVATURE = 1e-4
"""Of the likelihood: a certain prediction still teaches something when it is wrong."""


class OnlineCalibrator:
    """Platt scaling learned by Bayesian steps, and on top of it the recent mean error of each bin.

    The two parameters of the first stage, slope and offset of the log-odds, repair over-confidence and a wrong base
    rate quickly; the bins repair what a sigmoid can't and follow drift. A bin moves a probability no further than its
    labels would if all of them had been alike, so that none becomes 0 or 1. Transform first, then learn.

    Parameters
    ----------
    bins
        Bins of the second stage, of equal width in log-odds.
    prior
        Labels' worth of belief that a bin has no error.
    half_life
        Labels of a bin after which an old error counts half.
    slope_variance, offset_variance
        Beliefs before any label, of log-odds: smaller where the probabilities are good already.

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
    J. Platt: Probabilistic outputs for support vector machines. 1999.
    C. Gupta, A. Ramdas: Online Platt scaling with calibeating. ICML 2023 (the two stages).
    J. de Vilmarest, O. Wintenberger: Stochastic online optimization using Kalman recursion. JMLR 22, 2021.
    D. P. Foster, S. Hart: "Calibeating": beating forecasters at their own game. Theoretical Economics 18, 2023.
    """

    def __init__(
        self,
        *,
        bins: int = 20,
        prior: float = 100.0,
        half_life: float = 500.0,
        slope_variance: float = _SLOPE_VARIANCE,
        offset_variance: float = _OFFSET_VARIANCE,
    ) -> None:
        self.n_seen = 0
        self._prior = prior
        self._decay = 0.5 ** (1.0 / half_life)
        self._slope = 1.0
        self._offset = 0.0
        self._limits = (slope_variance, offset_variance)
        self._covariance = (slope_variance, 0.0, offset_variance)  # symmetric 2 x 2: ss, so, oo
        self._weights = [0.0] * bins
        self._errors = [0.0] * bins

    def transform(self, probability: float) -> float:
        """Return the calibrated probability; NaN for NaN. Unchanged before the first label."""
        return float(self.transform_many(np.array([probability]))[0])

    def transform_many(self, probabilities: FloatArray) -> FloatArray:
        """Return the calibrated probabilities, shape (n,), as the calibrator stands: valid between two labels."""
        if self.n_seen == 0:
            return probabilities
        inside = np.minimum(np.maximum(probabilities, _EDGE), 1.0 - _EDGE)
        log_odds = np.log(inside / (1.0 - inside))
        scaled = sigmoids(self._slope * log_odds + self._offset)
        places = (log_odds + _BIN_LIMIT) / (2.0 * _BIN_LIMIT) * len(self._errors)
        bins = np.fmin(np.fmax(places, 0.0), len(self._errors) - 1).astype(np.intp)  # NaN goes to the first
        total = np.array(self._weights)[bins] + self._prior
        own = self._prior / total
        corrected = np.maximum(scaled + np.array(self._errors)[bins] / total, scaled * own)
        corrected = np.minimum(corrected, 1.0 - (1.0 - scaled) * own)
        calibrated: FloatArray = np.minimum(np.maximum(corrected, _EDGE), 1.0 - _EDGE)
        return calibrated

    def learn(self, probability: float, outcome: bool, weight: float = 1.0) -> None:
        """Learn that a prediction of `probability`, before calibration, ended in `outcome`; a NaN is ignored."""
        if math.isnan(probability):
            return
        log_odds = _log_odds(probability)
        scaled = self._platt(log_odds)
        index = self._bin(log_odds)
        self._weights[index] = self._weights[index] * self._decay + weight
        self._errors[index] = self._errors[index] * self._decay + weight * (outcome - scaled)
        self._step(log_odds, scaled, outcome, weight)
        self.n_seen += 1

    def _platt(self, log_odds: float) -> float:
        return sigmoid(self._slope * log_odds + self._offset)

    def _bin(self, log_odds: float) -> int:
        """Bin by the classifier's own figure: by the scaled one, an outcome would move the bin of the next label."""
        position = (log_odds + _BIN_LIMIT) / (2.0 * _BIN_LIMIT) * len(self._errors)
        return min(max(int(position), 0), len(self._errors) - 1)

    def _step(self, log_odds: float, scaled: float, outcome: bool, weight: float) -> None:
        ss, so, oo = self._covariance
        toward_slope, toward_offset = ss * log_odds + so, so * log_odds + oo
        curvature = weight * max(scaled * (1.0 - scaled), _MIN_CURVATURE)
        shrink = 1.0 / (1.0 + curvature * (log_odds * toward_slope + toward_offset))
        step = shrink * weight * (outcome - scaled)
        self._slope += toward_slope * step
        self._offset += toward_offset * step
        gain, growth = curvature * shrink, 1.0 / (1.0 - 1.0 / _MEMORY)
        ss = growth * (ss - gain * toward_slope * toward_slope)
        so = growth * (so - gain * toward_slope * toward_offset)
        oo = growth * (oo - gain * toward_offset * toward_offset)
        most_s, most_o = self._limits
        excess_s, excess_o = max(ss / most_s, 1.0), max(oo / most_o, 1.0)
        self._covariance = (ss / excess_s, so / math.sqrt(excess_s * excess_o), oo / excess_o)


def _log_odds(probability: float) -> float:
    probability = min(max(probability, _EDGE), 1.0 - _EDGE)
    return math.log(probability / (1.0 - probability))

"""How good a binary classifier has been, on labels that it hadn't seen when it predicted."""

from __future__ import annotations

import math
from collections import deque

_EDGE = 1e-15
"""Probabilities are this far from 0 and 1 in the log-loss, so that one certain mistake doesn't make it infinite."""

_RANK_BINS = 400
_RANK_LIMIT = 10.0
"""The ROC curve has one threshold per 0.05 of log-odds within ±10: fine near 0 and 1, where a rare class lives."""

_CALIBRATION_BINS = 10


class _Tally:
    """Sums from which every metric follows."""

    def __init__(self) -> None:
        self.n = 0
        self.log_loss = 0.0
        self.brier = 0.0
        self.true_positive = self.false_positive = self.true_negative = self.false_negative = 0
        self.ranked = ([0] * (_RANK_BINS + 1), [0] * (_RANK_BINS + 1))  # by outcome: False, True
        self.confidence = [0.0] * _CALIBRATION_BINS
        self.hits = [0] * _CALIBRATION_BINS

    def add(self, probability: float, outcome: bool) -> None:
        self.n += 1
        clipped = min(max(probability, _EDGE), 1.0 - _EDGE)
        log_true, log_false = math.log(clipped), math.log1p(-clipped)
        self.log_loss -= log_true if outcome else log_false
        self.brier += (probability - outcome) ** 2
        if probability > 0.5:
            self.true_positive += outcome
            self.false_positive += not outcome
        else:
            self.false_negative += outcome
            self.true_negative += not outcome
        log_odds = min(max(log_true - log_false, -_RANK_LIMIT), _RANK_LIMIT)
        self.ranked[outcome][int((log_odds + _RANK_LIMIT) / (2.0 * _RANK_LIMIT) * _RANK_BINS)] += 1
        index = min(int(probability * _CALIBRATION_BINS), _CALIBRATION_BINS - 1)
        self.confidence[index] += probability
        self.hits[index] += outcome

    def metrics(self) -> dict[str, float | int | None]:
        positives = self.true_positive + self.false_negative
        mistakes = self.false_positive + self.false_negative
        n = self.n
        return {
            "n": n,
            "positives": positives,
            "log_loss": self.log_loss / n if n else None,
            "brier": self.brier / n if n else None,
            "roc_auc": self._roc_auc(),
            "accuracy": (n - mistakes) / n if n else None,
            "majority_accuracy": max(positives, n - positives) / n if n else None,
            "f1": 2 * self.true_positive / (2 * self.true_positive + mistakes) if positives else None,
            "calibration_error": self._calibration_error() if n else None,
        }

    def _roc_auc(self) -> float | None:
        """Share of pairs of a positive and a negative that are in order; pairs in one bin count half."""
        negatives_below, in_order = 0, 0.0
        for negatives, positives in zip(*self.ranked, strict=True):
            in_order += positives * (negatives_below + negatives / 2)
            negatives_below += negatives
        pairs = negatives_below * (self.n - negatives_below)
        return in_order / pairs if pairs else None

    def _calibration_error(self) -> float:
        gaps = (abs(confidence - hits) for confidence, hits in zip(self.confidence, self.hits, strict=True))
        return sum(gaps) / self.n


class RollingQuality:
    """Prequential quality of a binary classifier: over all time, and over its last labels.

    Give it each prediction as it was made before its label was learned. The metrics:

    - ``n``, ``positives``: labels, and those that are True
    - ``log_loss``, ``brier``: lower is better
    - ``roc_auc``: share of pairs in the right order; binned by log-odds in steps of 0.05, which moves it by about 0.001
    - ``accuracy``, ``f1``: at the threshold 0.5
    - ``majority_accuracy``: of always saying the class that turned out to be the more frequent one; a model below it
      is of no use at that threshold
    - ``calibration_error``: expected distance between probability and frequency, over ten bins of equal width

    A metric without data is None: all before the first label, ``roc_auc`` with one class, ``f1`` without a positive.

    Parameters
    ----------
    window
        How many of the last labels count as recent.

    Examples
    --------
    >>> quality = RollingQuality(window=2)
    >>> for probability, outcome in [(0.9, False), (0.8, True), (0.1, False)]:
    ...     quality.update(probability, outcome)
    >>> metrics = quality.as_dict()
    >>> metrics["all_time"]["roc_auc"], metrics["window"]["roc_auc"]
    (0.5, 1.0)

    References
    ----------
    A. P. Dawid: Statistical theory: the prequential approach. JRSS A 147, 1984.
    J. Gama, R. Sebastião, P. P. Rodrigues: On evaluating stream learning algorithms. Machine Learning 90, 2013.
    M. Pakdaman Naeini, G. F. Cooper, M. Hauskrecht: Obtaining well calibrated probabilities using Bayesian binning.
    AAAI 2015 (expected calibration error).
    """

    def __init__(self, window: int = 1_000) -> None:
        self._all_time = _Tally()
        self._recent: deque[tuple[float, bool]] = deque(maxlen=window)

    def update(self, probability: float, outcome: bool) -> None:
        """Take in one prediction of True and what came; a probability that isn't in [0, 1] is ignored."""
        if 0.0 <= probability <= 1.0:
            self._all_time.add(float(probability), bool(outcome))
            self._recent.append((float(probability), bool(outcome)))

    def as_dict(self) -> dict[str, dict[str, float | int | None]]:
        """Return the metrics under ``all_time`` and ``window``; takes about 2 ms for a window of 1,000 labels."""
        recent = _Tally()
        for probability, outcome in self._recent:
            recent.add(probability, outcome)
        return {"all_time": self._all_time.metrics(), "window": recent.metrics()}

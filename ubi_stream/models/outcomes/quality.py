"""How good a binary classifier has been, on labels that it hadn't seen when it predicted."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Metrics: TypeAlias = dict[str, float | int | None]

_EDGE: Final = 1e-15
"""Probabilities are this far from 0 and 1 in the log-loss, so that one certain mistake doesn't make it infinite."""

_RANK_BINS: Final = 400
_RANK_LIMIT: Final = 10.0
"""The ROC curve has one threshold per 0.05 of log-odds within ±10: fine near 0 and 1, where a rare class lives."""

_CALIBRATION_BINS: Final = 10

_DELAY_BINS: Final = 128
_DELAYS_PER_OCTAVE: Final = 4
"""Delays are told apart to a fifth of their size, from a second to a hundred years."""

_UNKNOWN: Final = -1
"""In place of the newest label known, where there was none."""


class QualitySums:
    """Sums from which every metric follows. Those of two partitions add up to those of both."""

    def __init__(self) -> None:
        self.n = 0
        self.log_loss = 0.0
        self.brier = 0.0
        self.confusion = np.zeros((2, 2), dtype=np.int64)  # by what was said, and by outcome
        self.ranked = np.zeros((2, _RANK_BINS + 1), dtype=np.int64)  # by outcome
        self.confidence = np.zeros(_CALIBRATION_BINS)
        self.hits = np.zeros(_CALIBRATION_BINS, dtype=np.int64)
        self.followed = np.zeros(2, dtype=np.int64)  # labels after a known one: other than it, and like it
        self.delay_s = 0.0
        self.delays = np.zeros(_DELAY_BINS, dtype=np.int64)

    def add(self, probability: float, outcome: bool, last: bool | None, delay_s: float) -> None:
        """Take in one prediction and its label."""
        self.n += 1
        inside = min(max(probability, _EDGE), 1.0 - _EDGE)
        log_true, log_false = math.log(inside), math.log1p(-inside)
        self.log_loss -= log_true if outcome else log_false
        self.brier += (probability - outcome) ** 2
        self.confusion[int(probability > 0.5), int(outcome)] += 1
        log_odds = min(max(log_true - log_false, -_RANK_LIMIT), _RANK_LIMIT)
        self.ranked[int(outcome), int((log_odds + _RANK_LIMIT) / (2.0 * _RANK_LIMIT) * _RANK_BINS)] += 1
        index = min(int(probability * _CALIBRATION_BINS), _CALIBRATION_BINS - 1)
        self.confidence[index] += probability
        self.hits[index] += outcome
        if last is not None:
            self.followed[int(last == outcome)] += 1
        self.delay_s += delay_s
        self.delays[_delay_bin(delay_s)] += 1

    def __add__(self, other: QualitySums) -> QualitySums:
        both = QualitySums()
        for name, value in vars(self).items():
            setattr(both, name, value + getattr(other, name))
        return both

    def metrics(self) -> Metrics:
        """Return every metric; None where there is no figure."""
        n, positives = self.n, int(self.confusion[:, 1].sum())
        if not n:
            return dict.fromkeys(_NAMES) | {"n": 0, "positives": 0}
        true_positive = int(self.confusion[1, 1])
        mistakes = int(self.confusion[1, 0] + self.confusion[0, 1])
        followed = int(self.followed.sum())
        return {
            "n": n,
            "positives": positives,
            "log_loss": self.log_loss / n,
            "brier": self.brier / n,
            "roc_auc": self._roc_auc(positives),
            "average_precision": self._average_precision(positives),
            "f1": 2 * true_positive / (2 * true_positive + mistakes) if positives else None,
            "accuracy": (n - mistakes) / n,
            "majority_accuracy": max(positives, n - positives) / n,
            "last_class_accuracy": int(self.followed[1]) / followed if followed else None,
            "calibration_error": float(np.abs(self.confidence - self.hits).sum()) / n,
            "label_delay_mean_s": self.delay_s / n,
            "label_delay_p95_s": self._delay_p95(),
        }

    def calibration_bins(self) -> NDArray[np.float64]:
        """Return number, sum of the probabilities, and number that came true, of ten bins: shape (3, 10).

        The number is that of the bins of the ranks, which divide the tenths to a few thousandths.
        """
        centres = 1.0 / (1.0 + np.exp(_RANK_LIMIT - (np.arange(_RANK_BINS + 1) + 0.5) * 2.0 * _RANK_LIMIT / _RANK_BINS))
        bins = np.minimum((centres * _CALIBRATION_BINS).astype(np.intp), _CALIBRATION_BINS - 1)
        n = np.bincount(bins, weights=self.ranked.sum(axis=0), minlength=_CALIBRATION_BINS)
        predicted = np.bincount(bins, weights=self.ranked.sum(axis=0) * centres, minlength=_CALIBRATION_BINS)
        return np.stack((n, predicted, np.bincount(bins, weights=self.ranked[1], minlength=_CALIBRATION_BINS)))

    def _roc_auc(self, positives: int) -> float | None:
        """Share of pairs of a positive and a negative that are in order; pairs in one bin count half."""
        negatives, hits = self.ranked
        pairs = positives * (self.n - positives)
        below = np.cumsum(negatives) - negatives
        return float((hits * (below + negatives / 2)).sum()) / pairs if pairs else None

    def _average_precision(self, positives: int) -> float | None:
        """Mean precision over the positives, each in the middle of its bin: those of one bin come in any order."""
        if not positives:
            return None
        negatives, hits = self.ranked[:, ::-1]
        found, passed = np.cumsum(hits) - (hits - 1) / 2, np.cumsum(negatives) - negatives / 2
        return float((hits * found / np.maximum(found + passed, 1)).sum()) / positives

    def _delay_p95(self) -> float:
        """Upper end of the bin in which the delay falls that 95 % don't exceed."""
        index = int(np.searchsorted(np.cumsum(self.delays), math.ceil(0.95 * self.n)))
        return float(2.0 ** (index / _DELAYS_PER_OCTAVE)) if index else 0.0


_NAMES: Final = (
    "n",
    "positives",
    "log_loss",
    "brier",
    "roc_auc",
    "average_precision",
    "f1",
    "accuracy",
    "majority_accuracy",
    "last_class_accuracy",
    "calibration_error",
    "label_delay_mean_s",
    "label_delay_p95_s",
)


class RollingQuality:
    """Prequential quality of a binary classifier: over all time, and over its last labels.

    Give it each prediction as it was made before its label was learned. The metrics:

    - ``n``, ``positives``: labels, and those that are True
    - ``log_loss``, ``brier``: lower is better
    - ``roc_auc``, ``average_precision``: of the order; binned by log-odds in steps of 0.05, which moves them by about
      0.001
    - ``accuracy``, ``f1``: at the threshold 0.5
    - ``majority_accuracy``: of always saying the class that turned out to be the more frequent one, and
      ``last_class_accuracy``: of always saying the newest label that was known; a model below them is of no use at that
      threshold
    - ``calibration_error``: expected distance between probability and frequency, over ten bins of equal width
    - ``label_delay_mean_s``, ``label_delay_p95_s``: how long after its prediction a label came; the second to a fifth

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
        self._all_time = QualitySums()
        self._position = 0
        # The last labels, in a ring: in 32 bits and arrays, as they are in every snapshot.
        self._probabilities: NDArray[np.float32] = np.zeros(window, dtype=np.float32)
        self._outcomes = np.zeros(window, dtype=np.bool_)
        self._lasts = np.zeros(window, dtype=np.int8)
        self._delays_s: NDArray[np.float32] = np.zeros(window, dtype=np.float32)

    def update(self, probability: float, outcome: bool, *, last: bool | None = None, delay_s: float = 0.0) -> None:
        """Take in one prediction of True and what came; a probability that isn't in [0, 1] is ignored.

        Parameters
        ----------
        last
            The newest label that was known when the prediction was made; None if none was.
        delay_s
            Seconds from the prediction to its label; a clock that went backwards counts as 0.
        """
        if not 0.0 <= probability <= 1.0:
            return
        delay_s = max(delay_s, 0.0)
        self._all_time.add(float(probability), bool(outcome), last, delay_s)
        place = self._position % len(self._outcomes)
        self._probabilities[place], self._outcomes[place] = probability, outcome
        self._lasts[place] = _UNKNOWN if last is None else last
        self._delays_s[place] = delay_s
        self._position += 1

    def tallies(self) -> dict[str, QualitySums]:
        """Return the sums under ``all_time`` and ``window``."""
        return {"all_time": self._all_time, "window": self._recent()}

    def as_dict(self) -> dict[str, Metrics]:
        """Return the metrics under ``all_time`` and ``window``."""
        return {span: tally.metrics() for span, tally in self.tallies().items()}

    def _recent(self) -> QualitySums:
        n = min(self._position, len(self._outcomes))
        probabilities, outcomes = self._probabilities[:n].astype(np.float64), self._outcomes[:n]
        lasts, delays_s = self._lasts[:n], self._delays_s[:n].astype(np.float64)
        tally = QualitySums()
        tally.n = n
        inside = np.clip(probabilities, _EDGE, 1.0 - _EDGE)
        log_true, log_false = np.log(inside), np.log1p(-inside)
        tally.log_loss = -float(np.where(outcomes, log_true, log_false).sum())
        tally.brier = float(((probabilities - outcomes) ** 2).sum())
        np.add.at(tally.confusion, ((probabilities > 0.5).astype(np.intp), outcomes.astype(np.intp)), 1)
        log_odds = np.clip(log_true - log_false, -_RANK_LIMIT, _RANK_LIMIT)
        ranks = ((log_odds + _RANK_LIMIT) / (2.0 * _RANK_LIMIT) * _RANK_BINS).astype(np.intp)
        np.add.at(tally.ranked, (outcomes.astype(np.intp), ranks), 1)
        bins = np.minimum((probabilities * _CALIBRATION_BINS).astype(np.intp), _CALIBRATION_BINS - 1)
        np.add.at(tally.confidence, bins, probabilities)
        np.add.at(tally.hits, bins, outcomes)
        known = lasts != _UNKNOWN
        np.add.at(tally.followed, ((lasts == outcomes)[known]).astype(np.intp), 1)
        tally.delay_s = float(delays_s.sum())
        np.add.at(tally.delays, [_delay_bin(delay_s) for delay_s in delays_s.tolist()], 1)
        return tally


def merged(qualities: Iterable[RollingQuality]) -> dict[str, Metrics]:
    """Return the metrics of several partitions' models together, exact: their sums are added.

    >>> merged([])["all_time"]["n"]
    0
    """
    spans = {"all_time": QualitySums(), "window": QualitySums()}
    for quality in qualities:
        for span, tally in quality.tallies().items():
            spans[span] += tally
    return {span: tally.metrics() for span, tally in spans.items()}


def _delay_bin(delay_s: float) -> int:
    """Bin of a delay: 0 up to a second, then four to each doubling."""
    if delay_s <= 1.0:
        return 0
    return min(math.ceil(math.log2(delay_s) * _DELAYS_PER_OCTAVE), _DELAY_BINS - 1)

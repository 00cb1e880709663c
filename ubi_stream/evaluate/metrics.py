"""Quality of scores and probabilities, exact: all predictions of a run are there, nothing is binned but calibration."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Scores: TypeAlias = NDArray[np.float64]
Outcomes: TypeAlias = NDArray[np.bool_]
Metrics: TypeAlias = dict[str, float | int | None]

_EDGE = 1e-15
"""Probabilities are this far from 0 and 1 in the log-loss, so that one certain mistake doesn't make it infinite."""

_CALIBRATION_BINS = 10


def classification_metrics(probabilities: Scores, outcomes: Outcomes, last_class: Outcomes) -> Metrics:
    """Judge probabilities of True.

    Parameters
    ----------
    probabilities
        Shape (n,), in [0, 1], each made before its outcome was known.
    outcomes
        What came.
    last_class
        The newest outcome that was known when each prediction was made: the no-change baseline.

    Returns
    -------
    ``n``, ``positives``, ``log_loss``, ``brier``, ``roc_auc``, ``average_precision``, ``f1`` and ``accuracy`` at 0.5,
    the accuracy of two baselines, ``calibration_error`` (ten bins of equal width). None where there is no figure.
    """
    n = len(outcomes)
    if n == 0:
        return {"n": 0, "positives": 0}
    predicted = probabilities > 0.5
    positives = int(outcomes.sum())
    return {
        "n": n,
        "positives": positives,
        "accuracy": float((predicted == outcomes).mean()),
        "f1": f1(predicted, outcomes),
        "roc_auc": roc_auc(probabilities, outcomes),
        "average_precision": average_precision(probabilities, outcomes),
        "log_loss": log_loss(probabilities, outcomes),
        "brier": float(((probabilities - outcomes) ** 2).mean()),
        "calibration_error": calibration_error(probabilities, outcomes),
        "majority_accuracy": max(positives, n - positives) / n,
        "last_class_accuracy": float((last_class == outcomes).mean()),
    }


def anomaly_metrics(scores: Scores, outcomes: Outcomes) -> Metrics:
    """Judge scores that only have an order: ``roc_auc`` and ``average_precision``, whose chance level is the share."""
    n, positives = len(outcomes), int(outcomes.sum())
    return {
        "n": n,
        "positives": positives,
        "roc_auc": roc_auc(scores, outcomes),
        "average_precision": average_precision(scores, outcomes),
        "positive_share": positives / n if n else None,
    }


def roc_auc(scores: Scores, outcomes: Outcomes) -> float | None:
    """Share of pairs of a positive and a negative that are in order; ties count half. None with one class.

    >>> roc_auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    positives, negatives = _by_threshold(scores, outcomes)
    pairs = float(positives.sum()) * float(negatives.sum())
    if not pairs:
        return None
    above = np.cumsum(positives) - positives
    return float((negatives * (above + positives / 2)).sum() / pairs)


def average_precision(scores: Scores, outcomes: Outcomes) -> float | None:
    """Mean precision over the positives, each at the threshold that just lets it through. None without a positive.

    >>> average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True])).__round__(4)
    0.8333
    """
    positives, negatives = _by_threshold(scores, outcomes)
    if not positives.sum():
        return None
    found = np.cumsum(positives)
    precision = found / (found + np.cumsum(negatives))
    return float((positives * precision).sum() / found[-1])


def log_loss(probabilities: Scores, outcomes: Outcomes) -> float:
    """Mean surprise in nats."""
    inside = np.clip(probabilities, _EDGE, 1.0 - _EDGE)
    return float(-np.log(np.where(outcomes, inside, 1.0 - inside)).mean())


def f1(predicted: Outcomes, outcomes: Outcomes) -> float | None:
    """Harmonic mean of precision and recall; None where nothing was said and nothing came."""
    total = int(predicted.sum()) + int(outcomes.sum())
    return 2 * int((predicted & outcomes).sum()) / total if total else None


def calibration_error(probabilities: Scores, outcomes: Outcomes) -> float:
    """Expected distance between probability and frequency.

    >>> calibration_error(np.array([0.75, 0.75, 0.75, 0.75]), np.array([True, True, True, False]))
    0.0
    """
    bins = np.minimum((probabilities * _CALIBRATION_BINS).astype(np.intp), _CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, probabilities - outcomes, minlength=_CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(outcomes))


def bootstrap_interval(
    metric: Callable[[Scores, Outcomes], float | None],
    scores: Scores,
    outcomes: Outcomes,
    groups: NDArray[np.intp],
    *,
    rounds: int = 200,
    seed: int = 1,
) -> tuple[float, float]:
    """Return the 95 % interval of a metric by drawing whole groups, with replacement.

    Parameters
    ----------
    groups
        Number of each row's group, from 0: rows of one visit are not independent, visits are.

    Raises
    ------
    ValueError
        No draw had a figure.
    """
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(groups == group) for group in range(int(groups.max(initial=-1)) + 1)]
    figures = []
    for _ in range(rounds):
        drawn = np.concatenate([rows[group] for group in rng.integers(0, len(rows), len(rows))])
        figure = metric(scores[drawn], outcomes[drawn])
        if figure is not None and math.isfinite(figure):
            figures.append(figure)
    if not figures:
        raise ValueError("no draw had both classes")
    low, high = np.quantile(figures, (0.025, 0.975))
    return float(low), float(high)


def _by_threshold(scores: Scores, outcomes: Outcomes) -> tuple[Scores, Scores]:
    """Count positives and negatives at each distinct score, highest first."""
    distinct, place = np.unique(-scores, return_inverse=True)
    total = np.bincount(place, minlength=len(distinct)).astype(np.float64)
    positives = np.bincount(place[outcomes], minlength=len(distinct)).astype(np.float64)
    return positives, total - positives

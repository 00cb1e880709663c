"""What a model is to a panel: it scores a row of features, and learns from the label that comes later."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from ubi_stream.arrays import FloatArray


@runtime_checkable
class OnlineModel(Protocol):
    """A binary classifier that learns one label at a time.

    Scoring changes nothing, learning returns nothing. All of it must be a function of the rows and labels in their
    order alone: no clock, no unseeded random source, and no sum whose order depends on how many rows come at once.
    Rows hold the features in the order in which the model was made; a missing one is NaN.
    """

    def score(self, row: FloatArray) -> float:
        """Return the probability of True for a row of shape (F,), before calibration; 0.5 before any label."""
        ...

    def score_many(self, rows: FloatArray) -> FloatArray:
        """Return the probabilities for rows of shape (n, F): the same bits as `score` row by row."""
        ...

    def learn(self, row: FloatArray, positive: bool, weight: float = 1.0) -> None:
        """Learn that a row ended in `positive`."""
        ...

    def contributions(self, row: FloatArray, baseline: FloatArray) -> FloatArray:
        """Return what each feature adds to the log-odds of `row` against those of `baseline`, shape (F,)."""
        ...

    def snapshot(self) -> Mapping[str, Any]:
        """Return all that was learned, in plain containers, arrays, and objects of River."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `snapshot` returned; the model was made anew with the same parameters."""
        ...

    def describe(self) -> Mapping[str, Any]:
        """Return what the model is, in plain values: at least ``model``, and ``linear`` if `contributions` add up."""
        ...


@runtime_checkable
class RowDetector(Protocol):
    """An anomaly detector that joins the ensemble: it scores a row of named values, and learns it later.

    Scoring changes nothing. All of it must be a function of the rows in their order alone. Its attributes are its
    snapshot: numbers, text, lists, dicts, NumPy arrays, objects of River.
    """

    def score_one(self, x: Mapping[str, float]) -> float:
        """Return how odd the values are, in any unit: high is odd, NaN is no answer. Missing values are left out."""
        ...

    def learn_one(self, x: Mapping[str, float]) -> None:
        """Learn a row."""
        ...


@runtime_checkable
class ManyRowsDetector(RowDetector, Protocol):
    """One that takes arrays, too: rows of shape (n, F) in the order of its features, NaN where missing."""

    def score_many(self, rows: FloatArray) -> FloatArray:
        """Return the scores of rows, shape (n,): of each row the same, whatever comes with it."""
        ...

    def learn_many(self, rows: FloatArray) -> None:
        """Learn rows in order: the same as one after another."""
        ...


class RowModel(ABC):
    """Base of models that work on one row at a time: what is left to write is `score` and `learn`.

    The attributes are the snapshot. Contributions are by leave-one-out.

    Examples
    --------
    >>> class BaseRate(RowModel):
    ...     def __init__(self):
    ...         self.positives, self.labels = 1.0, 2.0
    ...     def score(self, row):
    ...         return self.positives / self.labels
    ...     def learn(self, row, positive, weight=1.0):
    ...         self.positives, self.labels = self.positives + weight * positive, self.labels + weight
    >>> model = BaseRate()
    >>> model.learn(np.array([0.3]), True)
    >>> model.score_many(np.zeros((2, 1))).round(2)
    array([0.67, 0.67])
    """

    @abstractmethod
    def score(self, row: FloatArray) -> float:
        """Return the probability of True for a row of shape (F,), before calibration."""

    @abstractmethod
    def learn(self, row: FloatArray, positive: bool, weight: float = 1.0) -> None:
        """Learn that a row ended in `positive`."""

    def score_many(self, rows: FloatArray) -> FloatArray:
        """Score rows of shape (n, F) one by one."""
        return np.array([self.score(row) for row in rows], dtype=np.float64)

    def contributions(self, row: FloatArray, baseline: FloatArray) -> FloatArray:
        """Return the log-odds of `row` minus those with one feature at a time at its value in `baseline`."""
        n = len(row)
        rows = np.repeat(row[np.newaxis], n + 1, axis=0)
        rows[np.arange(n), np.arange(n)] = baseline
        same = (row == baseline) | (np.isnan(row) & np.isnan(baseline))
        log_odds = [log_odds_of(score) for score in self.score_many(rows).tolist()]
        parts: FloatArray = np.where(same, 0.0, log_odds[n] - np.array(log_odds[:n]))
        return parts

    def snapshot(self) -> Mapping[str, Any]:
        """Return the attributes."""
        return dict(vars(self))

    def restore(self, state: Mapping[str, Any]) -> None:
        """Set the attributes."""
        self.__dict__.update(state)

    def describe(self) -> Mapping[str, Any]:
        """Return the name of the class."""
        return {"model": type(self).__name__, "linear": False}


_EDGE = 1e-9
"""Probabilities are this far from 0 and 1 where their log-odds are taken."""


def log_odds_of(probability: float) -> float:
    """Return the log-odds of a probability; finite for 0 and 1 too.

    >>> log_odds_of(0.5), log_odds_of(1.0) < 30
    (0.0, True)
    """
    inside = min(max(probability, _EDGE), 1.0 - _EDGE)
    return math.log(inside / (1.0 - inside))

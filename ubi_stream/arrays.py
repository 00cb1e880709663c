"""Arithmetic that the models share and that gives the same bits however rows are cut into chunks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]

MAX_ABS = 1e12
"""Larger values are clipped: their squares still add up without overflow. No feature has such a unit."""


def as_rows(x: FloatArray, n_features: int) -> FloatArray:
    """Return `x` as float64 rows.

    Raises
    ------
    ValueError
        `x` is not of shape (n, n_features).
    """
    rows = np.asarray(x, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != n_features:
        raise ValueError(f"expected rows of {n_features} features, got an array of shape {rows.shape}")
    return rows


def row_of(x: Mapping[str, float | None], features: Sequence[str]) -> FloatArray:
    """Put the named values of River's way into the order of `features`; an absent one is NaN.

    >>> row_of({"b": 2.0, "other": 9.0}, ("a", "b"))
    array([nan,  2.])
    """
    values = (x.get(name) for name in features)
    return np.array([math.nan if value is None else float(value) for value in values])


def running_sums(carry: FloatArray, rows: FloatArray) -> FloatArray:
    """Add `rows` to `carry` one after another, so that the sum doesn't depend on where the stream was cut.

    `rows.sum(axis=0)` may add in another order for another number of rows.

    >>> running_sums(np.array([1.0]), np.array([[2.0], [3.0]]))
    array([6.])
    """
    sums: FloatArray = np.add.accumulate(np.concatenate((carry[np.newaxis], rows)), axis=0)[-1]
    return sums


def row_sums(rows: FloatArray) -> FloatArray:
    """Sum each row (the last axis) from its first column to its last: the same bits for one row as for many.

    >>> row_sums(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([3., 7.])
    """
    sums: FloatArray = np.add.accumulate(rows, axis=-1)[..., -1]
    return sums


def clipped(values: FloatArray, limit: float) -> FloatArray:
    """Clip to ±limit; NaN stays NaN. Several times faster than `numpy.clip` on a short row.

    >>> clipped(np.array([-9.0, 0.5, 9.0]), 1.0)
    array([-1. ,  0.5,  1. ])
    """
    inside: FloatArray = np.minimum(np.maximum(values, -limit), limit)
    return inside


def blocks(n_rows: int, filled: int, size: int) -> Iterator[slice]:
    """Cut a chunk where a block of `size` events is full, `filled` of which came earlier.

    >>> list(blocks(5, filled=2, size=4))
    [slice(0, 2, None), slice(2, 5, None)]
    """
    start = 0
    while start < n_rows:
        stop = min(n_rows, start + size - filled)
        yield slice(start, stop)
        start, filled = stop, 0


def sigmoid(logit: float) -> float:
    """Turn log-odds into a probability; never overflows.

    >>> sigmoid(0.0), sigmoid(-1000.0), sigmoid(1000.0)
    (0.5, 0.0, 1.0)
    """
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1.0 + odds)


def sigmoids(logits: FloatArray) -> FloatArray:
    """Turn log-odds into probabilities; NaN stays NaN. The last bit may differ from `sigmoid`'s.

    >>> sigmoids(np.array([0.0, -1000.0, 1000.0]))
    array([0.5, 0. , 1. ])
    """
    odds = np.exp(-np.abs(logits))
    probabilities: FloatArray = np.where(logits < 0.0, odds, 1.0) / (1.0 + odds)
    return probabilities

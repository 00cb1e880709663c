"""Sums run in strict order, so that rounding is the same everywhere."""

from __future__ import annotations

import numpy as np

from ubi_stream.arrays import row_sums, running_sums


def sequential(values: list[float]) -> float:
    total = values[0]
    for value in values[1:]:
        total += value
    return total


def test_row_sums_run_from_the_first_column_to_the_last() -> None:
    rows = np.random.default_rng(0).standard_normal((50, 37))
    assert row_sums(rows).tolist() == [sequential(row) for row in rows.tolist()]
    assert float(row_sums(rows[7])) == sequential(rows[7].tolist())


def test_running_sums_run_from_the_first_row_to_the_last() -> None:
    rows = np.random.default_rng(1).standard_normal((300, 3)) * 1e8
    carry = np.array([1e-8, 0.0, 3.0])
    expected = [sequential([start, *column]) for start, column in zip(carry.tolist(), rows.T.tolist(), strict=True)]
    assert running_sums(carry, rows).tolist() == expected


def test_no_rows_leave_the_sums_alone() -> None:
    assert running_sums(np.array([1.5]), np.empty((0, 1))).tolist() == [1.5]

"""Is this payment a fraud? Recorded card payments, with the features of the Fraud Detection Handbook."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.data.readers import open_rows
from ubi_stream.evaluate.progressive import Example
from ubi_stream.mappings.specs import FileSpec

_DAY_S: Final = 86_400
_WINDOWS_DAYS: Final = (1, 7, 30)
_DELAY_DAYS: Final = 7
"""Days after a payment until it is known whether it was a fraud."""
_TRAIN, _TEST = "2018-07-11", "2018-07-25"
"""Days on which the weeks of training and test begin: the delay lies between them, as in the handbook's protocol, and
as much of the windows' past before the first as the file has."""
_NIGHT_ENDS_H: Final = 6
_SATURDAY: Final = 5
_COLUMNS: Final = ("ts", "customer_id", "terminal_id", "amount", "fraud")

Column = NDArray[np.float64]


def payment_examples(file: Path, *, limit: int | None = None) -> list[Example]:
    """Return the payments of a week of training and of a week of test; labels come seven days late.

    So everything of the first week is learned before the second begins, and nothing of the second.

    Parameters
    ----------
    file
        Payments in time order, with columns ``ts`` (Unix seconds), ``customer_id``, ``terminal_id``, ``amount`` and
        ``fraud``.
    limit
        Read only so many payments, and return all of them.

    Raises
    ------
    ConfigError
        The file can't be read, or lacks a column.

    References
    ----------
    Y.-A. Le Borgne et al.: Reproducible Machine Learning for Credit Card Fraud Detection - Practical Handbook. 2022.
    """
    needed = dict.fromkeys(_COLUMNS, "payments")
    with open_rows(file, FileSpec(), needed) as reader:
        rows = [[float(row.values[name]) for name in _COLUMNS] for row in islice(reader, limit) if row.values]
    at_s, customers, terminals, amounts, frauds = np.array(rows, dtype=np.float64).reshape(-1, len(_COLUMNS)).T
    features = payment_features(at_s, customers, terminals, amounts, frauds)
    week_s, (train_s, test_s) = 7 * _DAY_S, np.array([_TRAIN, _TEST], dtype="datetime64[s]").astype(np.int64).tolist()
    in_weeks = ((at_s >= train_s) & (at_s < train_s + week_s)) | ((at_s >= test_s) & (at_s < test_s + week_s))
    kept = np.flatnonzero(in_weeks if limit is None else np.ones(len(at_s), dtype=np.bool_))
    names, columns = list(features), np.stack(list(features.values()), axis=1)[kept].tolist()
    return [
        Example(dict(zip(names, row, strict=True)), is_fraud > 0.0, at, at + _DELAY_DAYS * _DAY_S, group)
        for row, is_fraud, at, group in zip(
            columns, frauds[kept].tolist(), at_s[kept].tolist(), map(str, customers[kept].tolist()), strict=True
        )
    ]


def payment_features(
    at_s: Column, customers: Column, terminals: Column, amounts: Column, frauds: Column
) -> Mapping[str, Column]:
    """Return the handbook's features of payments in time order, each of shape (n,).

    Amount, weekend, night; number and mean amount of the customer's payments in the last 1, 7 and 30 days, this one
    included; number and share of frauds of the terminal's payments in 1, 7 and 30 days, both as of seven days before.
    """
    days = at_s // _DAY_S
    found: dict[str, Column] = {
        "amount": amounts,
        "weekend": ((days + 3) % 7 >= _SATURDAY).astype(np.float64),  # 1970 began on a Thursday
        "night": (at_s % _DAY_S // 3_600 <= _NIGHT_ENDS_H).astype(np.float64),
    }
    for window in _WINDOWS_DAYS:
        n, total = _sums(customers, at_s, amounts, window)
        found[f"customer_payments_{window}d"], found[f"customer_amount_mean_{window}d"] = n, total / np.maximum(n, 1.0)
        n, bad = _sums(terminals, at_s, frauds, window, _DELAY_DAYS)
        found[f"terminal_payments_{window}d"], found[f"terminal_fraud_share_{window}d"] = n, bad / np.maximum(n, 1.0)
    return found


def _sums(keys: Column, at_s: Column, values: Column, window_days: int, delay_days: int = 0) -> tuple[Column, Column]:
    """Number and sum of a key's values in the window that ended `delay_days` before each row."""
    counts, sums = np.zeros(len(keys)), np.zeros(len(keys))
    order = np.argsort(keys, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
        times, running = at_s[rows], np.concatenate(((0.0,), np.cumsum(values[rows])))
        ends = times - delay_days * _DAY_S
        last = np.searchsorted(times, ends, side="right") if delay_days else np.arange(1, len(rows) + 1)
        first = np.searchsorted(times, ends - window_days * _DAY_S, side="right")
        counts[rows], sums[rows] = last - first, running[last] - running[first]
    return counts, sums

"""River's own checks of an estimator, and the sets that they run on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
import pytest
from river import base, checks

Rows: TypeAlias = list[tuple[dict[str, float], bool]]

ODD_FEATURES = tuple(f"V{i}" for i in range(6))


def odd_rows(n: int) -> Rows:
    """A crowd with one event in a hundred far from it. River's own set for this check is a download."""
    rng = np.random.default_rng(0)
    odd = np.arange(n) % 100 == 99
    values = np.where(odd[:, np.newaxis], rng.random((n, 6)), 0.4 + 0.05 * rng.standard_normal((n, 6)))
    return [(dict(zip(ODD_FEATURES, row, strict=True)), bool(y)) for row, y in zip(values.tolist(), odd, strict=True)]


class Dataset:
    """River's checks iterate over a set more than once."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[tuple[dict[str, float], bool]]:
        return iter(self.rows)


def cases(models: Iterable[base.Estimator], rows_for: Callable[[base.Estimator, int], Rows]) -> Iterator[Any]:
    """Each model with each check that River has for it, as parameters of a test.

    `rows_for` gives a model's set; its second argument says how many times as long as usual it must be.
    """

    def data_for(model: base.Estimator, scale: int = 1) -> Iterator[Dataset]:
        yield Dataset(rows_for(model, scale))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "_yield_datasets", data_for)
        for model in models:
            for check in checks.yield_checks(model):
                if check.__name__ != "check_roc_auc":  # needs scikit-learn; tests of ours are stricter
                    yield pytest.param(model, check, id=f"{type(model).__name__}-{check.__name__}")

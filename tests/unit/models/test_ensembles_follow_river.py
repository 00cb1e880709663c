"""River's own checks of the ensembles, on its bundled data and on synthetic streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from river import base, checks, datasets, naive_bayes

from ubi_stream.models.ensemble.anomaly import RankedAnomalies
from ubi_stream.models.ensemble.experts import ExpertBlend
from ubi_stream.models.ensemble.fast import FastBlend
from ubi_stream.models.ensemble.season import SeasonWatch

Rows = list[tuple[dict[str, float], bool]]


def odd_rows(n: int) -> Rows:
    """A crowd with one event in a hundred far from it. River's own set for this check is a download."""
    rng = np.random.default_rng(0)
    odd = np.arange(n) % 100 == 99
    values = np.where(odd[:, np.newaxis], rng.random((n, 6)), 0.4 + 0.05 * rng.standard_normal((n, 6)))
    names = [f"V{i}" for i in range(6)]
    return [(dict(zip(names, row, strict=True)), bool(y)) for row, y in zip(values.tolist(), odd, strict=True)]


def hourly_rows(n: int) -> Rows:
    """A daily rhythm with one spike in a hundred hours."""
    rng = np.random.default_rng(0)
    rows: Rows = []
    for hour in range(n):
        odd = hour % 100 == 99
        value = 5.0 + 3.0 * (8 <= hour % 24 < 20) + 0.3 * rng.standard_normal() + 8.0 * odd
        rows.append(({"time": hour * 3_600.0, "value": float(value), "unused": 1.0}, odd))
    return rows


class Dataset:
    """River's checks iterate over a set more than once."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[tuple[dict[str, float], bool]]:
        return iter(self.rows)


def data_for(model: base.Estimator, scale: int = 1) -> Iterator[Dataset]:
    if isinstance(model, SeasonWatch):
        yield Dataset(hourly_rows(300 * scale))
    elif isinstance(model, base.AnomalyDetector):
        yield Dataset(odd_rows(300 * scale))
    else:
        yield Dataset(list(datasets.Phishing().take(60 * scale)))


def cases() -> Iterator[Any]:
    models = (FastBlend(), ExpertBlend([naive_bayes.GaussianNB()]), RankedAnomalies(), SeasonWatch())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "_yield_datasets", data_for)
        for model in models:
            for check in checks.yield_checks(model):
                if check.__name__ != "check_roc_auc":  # needs scikit-learn; the test below is stricter
                    yield pytest.param(model, check, id=f"{type(model).__name__}-{check.__name__}")


@pytest.mark.parametrize(("model", "check"), list(cases()))
def test_passes_rivers_check(model: base.Estimator, check: Callable[[base.Estimator], None]) -> None:
    check(model.clone())


@pytest.mark.parametrize(
    ("detector", "rows"),
    [
        pytest.param(RankedAnomalies(), odd_rows(1_500), id="ranked"),
        pytest.param(RankedAnomalies(trees=5), odd_rows(1_500), id="ranked-trees"),
        pytest.param(SeasonWatch(), hourly_rows(2_000), id="season"),
    ],
)
def test_anomalies_rank_above_the_crowd(detector: base.AnomalyDetector, rows: Rows) -> None:
    scores: dict[bool, list[float]] = {False: [], True: []}
    for i, (x, odd) in enumerate(rows):
        if i >= 1_000:
            scores[odd].append(detector.score_one(x))
        detector.learn_one(x)
    pairs = [high > low for high in scores[True] for low in scores[False]]
    assert np.mean(pairs) > 0.97

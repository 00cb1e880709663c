"""River's own checks of an estimator, run on its bundled data and on a synthetic anomaly stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from river import base, checks, datasets

from ubi_stream.models.half_space import HalfSpaceForest
from ubi_stream.models.logistic import OnlineLogistic

ANOMALY_FEATURES = tuple(f"V{i}" for i in range(6))
PHISHING_FEATURES = tuple(next(iter(datasets.Phishing()))[0])


def anomaly_stream(n: int) -> list[tuple[dict[str, float], bool]]:
    """A crowd with one event in a hundred far from it. River's own set for this check is a download."""
    rng = np.random.default_rng(0)
    odd = np.arange(n) % 100 == 99
    rows = np.where(odd[:, np.newaxis], rng.random((n, 6)), 0.4 + 0.05 * rng.standard_normal((n, 6)))
    return [(dict(zip(ANOMALY_FEATURES, row, strict=True)), bool(y)) for row, y in zip(rows.tolist(), odd, strict=True)]


class Dataset:
    """River's checks iterate over a set more than once."""

    def __init__(self, rows: list[tuple[dict[str, float], bool]]) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[tuple[dict[str, float], bool]]:
        return iter(self.rows)


def data_for(model: base.Estimator, scale: int = 1) -> Iterator[Dataset]:
    if isinstance(model, base.AnomalyDetector):
        yield Dataset(anomaly_stream(1_000 * scale))
    else:
        yield Dataset(list(datasets.Phishing().take(200 * scale)))


def cases() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "_yield_datasets", data_for)
        for model in (HalfSpaceForest(ANOMALY_FEATURES, n_trees=5), OnlineLogistic(PHISHING_FEATURES)):
            for check in checks.yield_checks(model):
                if check.__name__ != "check_roc_auc":  # needs scikit-learn; the test below is stricter
                    yield pytest.param(model, check, id=f"{type(model).__name__}-{check.__name__}")


@pytest.mark.parametrize(("model", "check"), list(cases()))
def test_passes_rivers_check(model: base.Estimator, check: Callable[[base.Estimator], None]) -> None:
    check(model.clone())


def test_anomalies_rank_above_the_crowd() -> None:
    forest = HalfSpaceForest(ANOMALY_FEATURES)
    scores: dict[bool, list[float]] = {False: [], True: []}
    for x, odd in anomaly_stream(2_000):
        if forest.ready:
            scores[odd].append(forest.score_one(x))
        forest.learn_one(x)
    pairs = [high > low for high in scores[True] for low in scores[False]]
    assert np.mean(pairs) > 0.95


def test_logistic_reaches_rivers_published_accuracy_on_phishing() -> None:
    model = OnlineLogistic(PHISHING_FEATURES, lr=0.1)
    hits = 0
    for x, outcome in datasets.Phishing():
        hits += model.predict_one(x) == outcome
        model.learn_one(x, outcome)
    assert hits / 1_250 == pytest.approx(0.8896, abs=0.001)

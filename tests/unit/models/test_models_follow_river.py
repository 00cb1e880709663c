"""River's own checks of an estimator, run on its bundled data and on a synthetic anomaly stream."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from river import base, datasets

from support.river_checks import ODD_FEATURES, Rows, cases, odd_rows
from ubi_stream.models.anomaly.half_space import HalfSpaceForest
from ubi_stream.models.outcomes.logistic import OnlineLogistic

PHISHING_FEATURES = tuple(next(iter(datasets.Phishing()))[0])
MODELS = (HalfSpaceForest(ODD_FEATURES, n_trees=5), OnlineLogistic(PHISHING_FEATURES))


def rows_for(model: base.Estimator, scale: int) -> Rows:
    if isinstance(model, base.AnomalyDetector):
        return odd_rows(1_000 * scale)
    return list(datasets.Phishing().take(200 * scale))


@pytest.mark.parametrize(("model", "check"), list(cases(MODELS, rows_for)))
def test_passes_rivers_check(model: base.Estimator, check: Callable[[base.Estimator], None]) -> None:
    check(model.clone())


def test_anomalies_rank_above_the_crowd() -> None:
    forest = HalfSpaceForest(ODD_FEATURES)
    scores: dict[bool, list[float]] = {False: [], True: []}
    for x, odd in odd_rows(2_000):
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

"""River's own checks of the ensembles, on its bundled data and on synthetic streams."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from river import base, datasets

from support.river_checks import Rows, cases, odd_rows
from ubi_stream.models.anomaly.season import SeasonWatch
from ubi_stream.models.anomaly.tables import RankedAnomalies
from ubi_stream.models.outcomes.fast import FastBlend

MODELS = (FastBlend(), RankedAnomalies(), SeasonWatch())


def hourly_rows(n: int) -> Rows:
    """A daily rhythm with one spike in a hundred hours."""
    rng = np.random.default_rng(0)
    rows: Rows = []
    for hour in range(n):
        odd = hour % 100 == 99
        value = 5.0 + 3.0 * (8 <= hour % 24 < 20) + 0.3 * rng.standard_normal() + 8.0 * odd
        rows.append(({"time": hour * 3_600.0, "value": float(value), "unused": 1.0}, odd))
    return rows


def rows_for(model: base.Estimator, scale: int) -> Rows:
    if isinstance(model, SeasonWatch):
        return hourly_rows(300 * scale)
    if isinstance(model, base.AnomalyDetector):
        return odd_rows(300 * scale)
    return list(datasets.Phishing().take(60 * scale))


@pytest.mark.parametrize(("model", "check"), list(cases(MODELS, rows_for)))
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

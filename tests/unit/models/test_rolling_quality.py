"""Prequential quality against plain computations over all labels."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from ubi_stream.models.quality import RollingQuality


def predictions(n: int, seed: int = 0) -> list[tuple[float, bool]]:
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.standard_normal(n) - 1
    outcomes = rng.random(n) < 1 / (1 + np.exp(-1.3 * logits))
    return list(zip((1 / (1 + np.exp(-logits))).tolist(), outcomes.tolist(), strict=True))


def plain_metrics(labels: list[tuple[float, bool]]) -> dict[str, float]:
    n, positives = len(labels), [p for p, y in labels if y]
    negatives = [p for p, y in labels if not y]
    order = sum((p > q) + 0.5 * (p == q) for p in positives for q in negatives)
    hits = sum(p > 0.5 for p in positives)
    mistakes = sum((p > 0.5) != y for p, y in labels)
    bins = [[(p, y) for p, y in labels if min(int(p * 10), 9) == index] for index in range(10)]
    return {
        "n": n,
        "positives": len(positives),
        "log_loss": -sum(math.log(p if y else 1 - p) for p, y in labels) / n,
        "brier": sum((p - y) ** 2 for p, y in labels) / n,
        "roc_auc": order / (len(positives) * len(negatives)),
        "accuracy": 1 - mistakes / n,
        "majority_accuracy": max(len(positives), len(negatives)) / n,
        "f1": 2 * hits / (2 * hits + mistakes),
        "calibration_error": sum(abs(sum(p - y for p, y in part)) for part in bins) / n,
    }


def test_equals_plain_computations_over_all_time_and_the_window() -> None:
    labels = predictions(2_500)
    quality = RollingQuality(window=600)
    for probability, outcome in labels:
        quality.update(probability, outcome)
    metrics = quality.as_dict()
    for span, expected in (("all_time", plain_metrics(labels)), ("window", plain_metrics(labels[-600:]))):
        assert set(metrics[span]) == set(expected)
        for name, value in expected.items():
            tolerance = 0.003 if name == "roc_auc" else 1e-9
            assert metrics[span][name] == pytest.approx(value, abs=tolerance), (span, name)


def test_nothing_is_known_before_the_first_label() -> None:
    for metrics in RollingQuality().as_dict().values():
        assert metrics.pop("n") == metrics.pop("positives") == 0
        assert set(metrics.values()) == {None}


def test_one_class_alone_has_no_ranking() -> None:
    quality = RollingQuality()
    quality.update(0.2, False)
    metrics = quality.as_dict()["all_time"]
    assert metrics["roc_auc"] is None
    assert metrics["f1"] is None
    assert metrics["accuracy"] == metrics["majority_accuracy"] == 1.0


def test_ranking_of_a_rare_class_is_resolved() -> None:
    quality = RollingQuality()
    for _ in range(50):
        quality.update(0.0001, False)
        quality.update(0.0004, True)
    assert quality.as_dict()["all_time"]["roc_auc"] == 1.0


def test_certain_mistakes_cost_a_finite_loss() -> None:
    quality = RollingQuality()
    quality.update(0.0, True)
    quality.update(1.0, False)
    loss = quality.as_dict()["all_time"]["log_loss"]
    assert loss is not None
    assert 30 < loss < 40


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1, 1.1])
def test_impossible_probabilities_are_ignored(bad: float) -> None:
    quality = RollingQuality()
    quality.update(bad, True)
    assert quality.as_dict()["all_time"]["n"] == quality.as_dict()["window"]["n"] == 0


def test_memory_is_bounded() -> None:
    quality = RollingQuality(window=100)
    sizes = []
    for probability, outcome in predictions(3_000):
        quality.update(probability, outcome)
        sizes.append(len(pickle.dumps(quality)))
    assert sizes[-1] < max(sizes[:500]) + 1_000  # the counts of the ranking grow from one byte to two

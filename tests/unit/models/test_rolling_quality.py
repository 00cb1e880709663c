"""Prequential quality against plain computations over all labels."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from ubi_stream.evaluate.metrics import average_precision
from ubi_stream.models.outcomes.quality import RollingQuality, merged


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
        "average_precision": average_precision(np.array([p for p, _ in labels]), np.array([y for _, y in labels])) or 0,
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
        for name, value in expected.items():
            binned = name in ("roc_auc", "average_precision")
            tolerance = 0.003 if binned else 1e-9 if span == "all_time" else 1e-6  # the window is kept in 32 bits
            assert metrics[span][name] == pytest.approx(value, abs=tolerance), (span, name)


def test_last_class_baseline_knows_what_was_known_at_the_prediction() -> None:
    quality = RollingQuality(window=2)
    for last, outcome in [(None, True), (True, True), (True, False), (False, False)]:
        quality.update(0.5, outcome, last=last)
    metrics = quality.as_dict()
    assert metrics["all_time"]["last_class_accuracy"] == pytest.approx(2 / 3)
    assert metrics["window"]["last_class_accuracy"] == 0.5


def test_label_delay_has_mean_and_95th_percentile() -> None:
    quality = RollingQuality(window=50)
    for delay_s in range(1, 101):
        quality.update(0.5, True, delay_s=float(delay_s))
    metrics = quality.as_dict()
    assert metrics["all_time"]["label_delay_mean_s"] == pytest.approx(50.5)
    assert metrics["window"]["label_delay_mean_s"] == pytest.approx(75.5)
    p95 = metrics["all_time"]["label_delay_p95_s"]
    assert p95 is not None
    assert 95 <= p95 <= 95 * 1.2


def test_a_clock_that_goes_backwards_is_no_delay() -> None:
    quality = RollingQuality()
    quality.update(0.5, True, delay_s=-3_600.0)
    assert quality.as_dict()["all_time"]["label_delay_mean_s"] == 0.0
    assert quality.as_dict()["window"]["label_delay_p95_s"] == 0.0


def test_partitions_together_are_as_if_one_had_seen_all() -> None:
    labels = predictions(900)
    parts, whole = [RollingQuality(), RollingQuality(), RollingQuality()], RollingQuality()
    for number, (probability, outcome) in enumerate(labels):
        for quality in (parts[number % 3], whole):
            quality.update(probability, outcome, last=number % 2 == 0, delay_s=float(number))
    together, expected = merged(parts), whole.as_dict()
    for span in ("all_time", "window"):
        assert together[span] == pytest.approx(expected[span])


def test_nothing_is_known_before_the_first_label() -> None:
    for metrics in RollingQuality().as_dict().values():
        assert metrics.pop("n") == metrics.pop("positives") == 0
        assert {"log_loss", "average_precision", "last_class_accuracy", "label_delay_p95_s"} <= set(metrics)
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

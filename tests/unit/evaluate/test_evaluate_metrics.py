"""The metrics against their definitions, computed the slow way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ubi_stream.evaluate.metrics import (
    anomaly_metrics,
    average_precision,
    bootstrap_interval,
    classification_metrics,
    roc_auc,
)


def sample(
    n: int, seed: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    rng = np.random.default_rng(seed)
    return np.round(rng.random(n), 1), rng.random(n) < 0.3  # rounded: many ties


@pytest.mark.parametrize("seed", range(5))
def test_roc_auc_is_the_share_of_pairs_in_order(seed: int) -> None:
    scores, outcomes = sample(60, seed)
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high, low in itertools.product(scores[outcomes], scores[~outcomes])
    ]
    assert roc_auc(scores, outcomes) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_sums_precision_times_the_rise_of_recall(seed: int) -> None:
    scores, outcomes = sample(60, seed)
    total, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        found = outcomes[scores >= threshold]
        recall = found.sum() / outcomes.sum()
        total += found.mean() * (recall - recall_before)
        recall_before = recall
    assert average_precision(scores, outcomes) == pytest.approx(total)


def test_with_one_class_there_is_no_ranking() -> None:
    scores, none = np.array([0.1, 0.9]), np.array([False, False])
    assert roc_auc(scores, none) is None
    assert average_precision(scores, none) is None
    assert anomaly_metrics(scores, none)["positive_share"] == 0.0


def test_classification_metrics_by_hand() -> None:
    probabilities = np.array([0.9, 0.8, 0.3, 0.2])
    outcomes = np.array([True, False, True, False])
    last_class = np.array([False, True, False, True])
    metrics = classification_metrics(probabilities, outcomes, last_class)
    assert metrics["accuracy"] == 0.5
    assert metrics["f1"] == 0.5
    assert metrics["roc_auc"] == 0.75
    assert metrics["brier"] == pytest.approx((0.01 + 0.64 + 0.49 + 0.04) / 4)
    assert metrics["log_loss"] == pytest.approx(-np.log([0.9, 0.2, 0.3, 0.8]).mean())
    assert metrics["calibration_error"] == pytest.approx((0.1 + 0.8 + 0.7 + 0.2) / 4)
    assert metrics["majority_accuracy"] == 0.5
    assert metrics["last_class_accuracy"] == 0.0


def test_no_examples_give_no_figures() -> None:
    nothing, none = np.zeros(0), np.zeros(0, dtype=np.bool_)
    assert classification_metrics(nothing, none, none) == {"n": 0, "positives": 0}


def test_the_interval_is_wider_when_rows_come_in_groups() -> None:
    rng = np.random.default_rng(3)
    group_score = rng.random(60)
    groups = np.repeat(np.arange(60), 10)
    outcomes = np.repeat(rng.random(60) < group_score, 10)
    scores = np.repeat(group_score, 10)
    low, high = bootstrap_interval(roc_auc, scores, outcomes, groups)
    single_low, single_high = bootstrap_interval(roc_auc, scores, outcomes, np.arange(600))
    assert low < single_low < single_high < high


def test_an_interval_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="both classes"):
        bootstrap_interval(roc_auc, np.array([0.5]), np.array([True]), np.array([0]))

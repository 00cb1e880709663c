"""Online logistic regression: River's figures, evidence, explanation, bad input."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from river import linear_model, optim, preprocessing

from ubi_stream.arrays import FloatArray
from ubi_stream.models.outcomes.logistic import OnlineLogistic

FEATURES = ("amount", "age", "flag", "constant")


def stream(n: int, seed: int = 0) -> tuple[FloatArray, list[bool]]:
    rng = np.random.default_rng(seed)
    rows = np.column_stack([rng.lognormal(3, 1, n), rng.normal(40, 9, n), rng.random(n) < 0.2, np.full(n, 5.0)])
    logits = 0.8 * (np.log(rows[:, 0]) - 3) - 0.05 * (rows[:, 1] - 40) + 2 * rows[:, 2] - 1
    return rows, (rng.random(n) < 1 / (1 + np.exp(-logits))).tolist()


@pytest.mark.parametrize(("lr", "l2"), [(0.01, 0.0), (0.1, 0.001)])
def test_equals_rivers_pipeline(lr: float, l2: float) -> None:
    reference = preprocessing.StandardScaler() | linear_model.LogisticRegression(optimizer=optim.SGD(lr), l2=l2)
    model = OnlineLogistic(FEATURES, lr=lr, l2=l2)
    rows, outcomes = stream(2_000)
    for row, outcome in zip(rows, outcomes, strict=True):
        x = dict(zip(FEATURES, row.tolist(), strict=True))
        assert model.predict(row) == pytest.approx(reference.predict_proba_one(x)[True], abs=1e-9)
        model.learn(row, outcome)
        reference.learn_one(x, outcome)
    weights = reference["LogisticRegression"].weights
    assert model.weights.tolist() == pytest.approx([weights[name] for name in FEATURES], abs=1e-9)
    assert abs(weights["flag"]) > 0.1


def test_missing_feature_equals_rivers_absent_one() -> None:
    reference = preprocessing.StandardScaler() | linear_model.LogisticRegression(optimizer=optim.SGD(0.05), l2=0.01)
    model = OnlineLogistic(FEATURES, lr=0.05, l2=0.01)
    rows, outcomes = stream(500)
    rng = np.random.default_rng(1)
    for row, outcome in zip(rows, outcomes, strict=True):
        row[rng.random(len(row)) < 0.3] = np.nan
        x = {name: value for name, value in zip(FEATURES, row.tolist(), strict=True) if not math.isnan(value)}
        assert model.predict(row) == pytest.approx(reference.predict_proba_one(x)[True], abs=1e-9)
        model.learn(row, outcome)
        reference.learn_one(x, outcome)


def test_rivers_way_equals_the_array_way() -> None:
    rows, outcomes = stream(300)
    arrays, dicts = OnlineLogistic(FEATURES), OnlineLogistic(FEATURES)
    for row, outcome in zip(rows, outcomes, strict=True):
        x = dict(zip(FEATURES, row.tolist(), strict=True))
        probabilities = dicts.predict_proba_one(x)
        assert probabilities[True] == arrays.predict(row)
        assert sum(probabilities.values()) == 1.0
        arrays.learn(row, outcome)
        dicts.learn_one(x, outcome)
    assert pickle.dumps(arrays) == pickle.dumps(dicts)


def test_many_predictions_equal_single_ones_to_the_bit() -> None:
    rows, outcomes = stream(700)
    model = OnlineLogistic(FEATURES, lr=0.1)
    for row, outcome in zip(rows[:400], outcomes[:400], strict=True):
        model.learn(row, outcome)
    rows[450, 1] = np.nan
    assert model.predict_many(rows[400:]).tolist() == [model.predict(row) for row in rows[400:]]


def test_contributions_add_up_to_the_log_odds() -> None:
    rows, outcomes = stream(500)
    model = OnlineLogistic(FEATURES, lr=0.1)
    for row, outcome in zip(rows, outcomes, strict=True):
        model.learn(row, outcome)
    for row in rows[:50]:
        probability = model.predict(row)
        parts = model.contributions(row)
        assert model.intercept + parts.sum() == pytest.approx(np.log(probability / (1 - probability)), abs=1e-9)
        assert parts[3] == 0.0  # a feature that never varies explains nothing


def test_weight_counts_as_a_multiple_of_the_gradient() -> None:
    light, heavy = OnlineLogistic(("x",)), OnlineLogistic(("x",))
    for model, weight in ((light, 1.0), (heavy, 3.0)):
        model.learn(np.array([1.0]), True)
        model.learn(np.array([2.0]), True, weight=weight)
    assert heavy.weights[0] == pytest.approx(3 * light.weights[0])


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_impossible_weight_is_an_error(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        OnlineLogistic(("x",)).learn(np.array([1.0]), True, weight=weight)


def test_ready_needs_labels_of_both_classes() -> None:
    model = OnlineLogistic(("x",), min_labels=10, min_per_class=3)
    for _ in range(20):
        model.learn(np.array([1.0]), False)
    assert not model.ready
    for expected in (False, False, True):
        model.learn(np.array([2.0]), True)
        assert model.ready is expected
    few = OnlineLogistic(("x",), min_labels=10, min_per_class=1)
    for i in range(9):
        few.learn(np.array([1.0]), i % 2 == 0)
    assert not few.ready


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324])
def test_bad_values_neither_raise_nor_spoil_the_model(bad: float) -> None:
    rows, outcomes = stream(400)
    model = OnlineLogistic(FEATURES, lr=0.05)
    for i, (row, outcome) in enumerate(zip(rows, outcomes, strict=True)):
        row[i % len(row)] = bad if i % 7 == 0 else row[i % len(row)]
        assert 0.0 <= model.predict(row) <= 1.0
        model.learn(row, outcome)
    assert np.isfinite(model.weights).all()
    assert np.isfinite(model.intercept)


def test_memory_is_bounded() -> None:
    model = OnlineLogistic(FEATURES)
    rows, outcomes = stream(3_000)
    sizes = []
    for row, outcome in zip(rows, outcomes, strict=True):
        model.learn(row, outcome)
        sizes.append(len(pickle.dumps(model)))
    assert sizes[-1] <= sizes[0] + 16  # longer counts

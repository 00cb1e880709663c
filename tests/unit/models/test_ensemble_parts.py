"""The parts of the ensembles, one by one."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from ubi_stream.arrays import FloatArray, sigmoid
from ubi_stream.evaluate.metrics import roc_auc
from ubi_stream.models.anomaly.ranks import RankTracker
from ubi_stream.models.anomaly.season import SeasonWatch
from ubi_stream.models.anomaly.tables import RankedAnomalies
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.encoder import FeatureEncoder
from ubi_stream.models.outcomes.fast import FastBlend
from ubi_stream.models.outcomes.kalman import KalmanLogistic


def encoded(encoder: FeatureEncoder, x: dict[str, Any]) -> FloatArray:
    return encoder.encode(x).deviations


def learn(encoder: FeatureEncoder, rows: list[dict[str, Any]]) -> None:
    for x in rows:
        encoder.learn(x, encoder.encode(x))


def test_a_number_with_few_values_becomes_a_code_after_it_has_settled() -> None:
    encoder = FeatureEncoder(logs=False, recent=False)
    rows: list[dict[str, Any]] = [{"level": float(i % 3), "size": float(i)} for i in range(49)]
    learn(encoder, rows)
    assert encoder.n == 2
    learn(encoder, [{"level": 0.0, "size": 49.0}])
    assert encoder.n == 2 + 3


def test_two_values_are_no_code_because_the_number_tells_them_apart() -> None:
    encoder = FeatureEncoder(logs=False, recent=False)
    learn(encoder, [{"flag": i % 2 == 0} for i in range(100)])
    assert encoder.n == 1


def test_a_word_gets_columns_until_there_are_sixteen() -> None:
    encoder = FeatureEncoder()
    learn(encoder, [{"city": f"city {i}"} for i in range(40)])
    assert encoder.n == 16
    assert encoder.ignored == 1
    assert encoded(encoder, {"city": "never seen"}).shape == (16,)


def test_numbers_come_before_what_is_derived_from_them() -> None:
    row = {"a": 1.0, "b": 2.0, "c": 3.0, "d": "x"}
    narrow, wide = FeatureEncoder(capacity=7), FeatureEncoder(capacity=10)
    learn(narrow, [row])
    learn(wide, [row])
    assert (narrow.n, wide.n) == (3 + 1, 3 + 1 + 6)


def test_columns_beyond_the_capacity_share_buckets_and_are_seen() -> None:
    encoder = FeatureEncoder(capacity=4, logs=False, recent=False, codes=False)
    names = [f"n{i:02d}" for i in range(20)]
    rng = np.random.default_rng(1)
    learn(encoder, [dict(zip(names, row, strict=True)) for row in rng.standard_normal((100, 20)).tolist()])
    assert encoder.ignored == 0
    usual = dict.fromkeys(names, 0.0)
    for name in names:
        moved = encoded(encoder, usual | {name: 2.0}) - encoded(encoder, usual)
        assert moved.shape == (4 + encoder.buckets,)
        assert np.count_nonzero(moved) == 1
        assert abs(moved).max() == pytest.approx(2.0, abs=0.5)


def test_with_twice_as_many_columns_as_fit_nothing_is_lost() -> None:
    rng = np.random.default_rng(2)
    rows, model = rng.standard_normal((4_000, 200)), FastBlend(at_once=False)
    outcomes = rows[:, 195] + rows[:, 199] + 0.5 * rng.standard_normal(4_000) > 0
    scores = []
    for row, outcome in zip(rows.tolist(), outcomes.tolist(), strict=True):
        x = {f"n{i:03d}": value for i, value in enumerate(row)}
        scores.append(model.predict_proba_one(x)[True])
        model.learn_one(x, outcome)
    assert (roc_auc(np.array(scores[2_000:]), outcomes[2_000:]) or 0.0) > 0.8


def test_what_lies_far_outside_has_a_weight_of_its_own() -> None:
    encoder = FeatureEncoder(logs=False, recent=False, codes=False)
    rng = np.random.default_rng(3)
    learn(encoder, [{"a": value} for value in rng.standard_normal(200).tolist()])
    learn(encoder, [{"a": 12.0}])
    assert encoder.n == 2
    body, outside = encoded(encoder, {"a": 10.0})
    assert (body, encoded(encoder, {"a": 2.0})[1]) == (3.0, 0.0)
    assert 2.0 < outside < 8.0


def test_moments_are_those_of_the_values_that_were_there() -> None:
    values = [1.0, 4.0, None, 9.0, math.nan, 2.0]
    encoder = FeatureEncoder(logs=False, recent=False, codes=False)
    learn(encoder, [{"a": value} for value in values])
    present = np.array([1.0, 4.0, 9.0, 2.0])
    assert encoded(encoder, {"a": 7.0})[0] == pytest.approx((7.0 - present.mean()) / present.std())
    assert encoded(encoder, {"a": None})[0] == 0.0


def test_the_third_column_is_the_distance_from_the_recent_mean() -> None:
    encoder = FeatureEncoder(logs=False)
    learn(encoder, [{"a": 0.0}] * 200 + [{"a": 1.0}] * 200)
    assert encoded(encoder, {"a": 1.0})[1] == pytest.approx(0.0, abs=0.4)
    assert encoded(encoder, {"a": 0.0})[1] == -3.0


def test_one_pass_comes_close_to_the_best_weights_in_hindsight() -> None:
    rng = np.random.default_rng(1)
    true = np.array([1.5, -2.0, 0.5])
    rows = rng.standard_normal((3_000, 3))
    outcomes = rng.random(3_000) < 1.0 / (1.0 + np.exp(-rows @ true))
    model = KalmanLogistic(prior=4.0, memory=1e9)
    model.widen(3)
    for row, outcome in zip(rows, outcomes.tolist(), strict=True):
        model.learn(model.look(row), outcome)
    assert model.weights == pytest.approx(true, abs=0.2)


def test_without_evidence_a_probability_stays_near_one_half() -> None:
    model = KalmanLogistic(prior=4.0)
    model.widen(2)
    for _ in range(20):
        model.learn(model.look(np.array([1.0, 0.0])), True)
    assert sigmoid(model.look(np.array([1.0, 0.0])).moderated) > 0.85
    assert sigmoid(model.look(np.array([0.0, 5.0])).moderated) == 0.5


def test_variance_of_a_feature_that_never_varies_stays_at_its_prior() -> None:
    model = KalmanLogistic(prior=0.5, memory=20.0)
    model.widen(2)
    for i in range(640):  # a multiple of the folding: the bound holds there
        model.learn(model.look(np.array([1.0, 0.0])), i % 2 == 0)
    assert model.look(np.array([0.0, 1.0])).variance == pytest.approx(0.5)


def test_it_forgets_what_has_changed() -> None:
    model = KalmanLogistic(prior=1.0, memory=50.0)
    model.widen(1)
    for i in range(600):
        model.learn(model.look(np.array([1.0])), i < 300)
    assert sigmoid(model.look(np.array([1.0])).moderated) < 0.2


def test_a_new_feature_starts_from_the_prior() -> None:
    model = KalmanLogistic(prior=0.7)
    model.widen(1)
    for _ in range(10):
        model.learn(model.look(np.array([1.0])), True)
    model.widen(2)
    assert model.look(np.array([0.0, 1.0])).variance == pytest.approx(0.7)


def test_ranks_follow_a_uniform_sample_of_all_scores() -> None:
    ranks = RankTracker(size=500)
    rng = random.Random(3)
    for _ in range(20_000):
        ranks.learn(rng.random())
    assert ranks.tail(0.9) == pytest.approx(0.1, abs=0.04)
    assert ranks.tail(2.0) == pytest.approx(1 / 501)


def test_an_attack_that_repeats_itself_stays_odd() -> None:
    rng, detector = random.Random(2), RankedAnomalies()
    for _ in range(1_500):
        detector.learn_one({"a": rng.gauss(0.0, 1.0), "b": rng.gauss(0.0, 1.0)})
    attack = {"a": 2.0, "b": 2.0}
    scores = []
    for _ in range(40):
        scores.append(detector.score_one(attack))
        detector.learn_one(attack)
    assert scores[0] < 0.36 < min(scores[1:])  # 0.36 is about one in 150


def test_a_rare_word_is_odd() -> None:
    rng, detector = random.Random(4), RankedAnomalies()
    for i in range(600):
        detector.learn_one({"path": "cart" if i % 100 else "admin", "n": rng.random()})
    assert detector.score_one({"path": "admin", "n": 0.5}) > 0.2 > detector.score_one({"path": "cart", "n": 0.5})


def test_there_is_no_score_before_there_is_a_past() -> None:
    detector = RankedAnomalies()
    for i in range(50):
        assert not detector.ready
        assert detector.score_one({"a": 1e9}) == 0.0
        detector.learn_one({"a": float(i)})
    assert detector.ready
    assert detector.score_one({"a": 1e9}) > 0.0


@pytest.mark.parametrize("chunk", [1, 7, 500])
def test_scoring_many_rows_is_scoring_them_one_by_one(chunk: int) -> None:
    rng = random.Random(6)
    rows: list[dict[str, Any]] = [
        {"a": rng.gauss(0.0, 1.0), "b": rng.choice([0.0, 1.0, None]), "word": rng.choice(["x", "y"])}
        | ({f"new {i // 100}": rng.random()} if i % 50 == 49 else {})
        for i in range(600)
    ]
    whole, by_one = RankedAnomalies(trees=3), RankedAnomalies(trees=3)
    scores = np.concatenate([whole.score_learn_many(rows[i : i + chunk]) for i in range(0, len(rows), chunk)])
    for x, score in zip(rows, scores.tolist(), strict=True):
        assert by_one.score_one(x) == score
        by_one.learn_one(x)
    assert digest(whole) == digest(by_one)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda hour, usual: usual + 20.0 * (hour == 1_500), "odd for its hour"),
        (lambda hour, usual: usual + 4.0 * (hour >= 1_490), "the level has shifted"),
        (lambda hour, usual: 6.0 if hour >= 1_480 else usual, "too still"),
    ],
)
def test_the_watch_sees_each_kind_of_change(change: Any, why: str) -> None:
    rng, watch = random.Random(5), SeasonWatch()
    highest = 0.0
    for hour in range(1_510):
        usual = 5.0 + 3.0 * (8 <= hour % 24 < 20) + rng.gauss(0.0, 0.3)
        row = {"time": hour * 3_600.0, "value": change(hour, usual)}
        if hour >= 1_480:
            highest = max(highest, watch.score_one(row))
        watch.learn_one(row)
    assert highest >= 0.998, why

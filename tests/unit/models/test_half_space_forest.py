"""Half-space trees: River's scores to the bit, warm-up, missing values, explanation, snapshot."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
from river import anomaly

from ubi_stream.arrays import FloatArray
from ubi_stream.models.anomaly.half_space import HalfSpaceForest

FEATURES = tuple(f"f{i:02d}" for i in range(12))


def stream(n: int, seed: int = 0) -> FloatArray:
    """Two crowds, and every fiftieth event somewhere else."""
    rng = np.random.default_rng(seed)
    rows = np.where(rng.random((n, 1)) < 0.5, 0.3, 0.7) + 0.08 * rng.standard_normal((n, len(FEATURES)))
    rows[::50] = rng.random((len(rows[::50]), len(FEATURES)))
    return np.clip(rows, 0.0, 1.0)


@pytest.mark.parametrize(("height", "window_size"), [(8, 250), (5, 100), (1, 7)])
def test_scores_equal_rivers_to_the_bit(height: int, window_size: int) -> None:
    rows = stream(1_200)
    reference = anomaly.HalfSpaceTrees(n_trees=25, height=height, window_size=window_size, seed=7)
    expected = []
    for row in rows.tolist():
        x = dict(zip(FEATURES, row, strict=True))
        expected.append(reference.score_one(x))
        reference.learn_one(x)

    forest = HalfSpaceForest(FEATURES, height=height, window_size=window_size, seed=7)
    scores = np.concatenate([forest.score_learn_many(rows[start : start + 93]) for start in range(0, len(rows), 93)])

    assert np.isnan(scores[:window_size]).all()
    assert scores[window_size:].tolist() == expected[window_size:]
    assert len(set(expected[window_size:])) > 10


def test_one_by_one_equals_many() -> None:
    rows = stream(600)
    many, one = HalfSpaceForest(FEATURES, seed=3), HalfSpaceForest(FEATURES, seed=3)
    scores = many.score_learn_many(rows)
    for row, score in zip(rows.tolist(), scores.tolist(), strict=True):
        x = dict(zip(FEATURES, row, strict=True))
        assert one.score_one(x) == (0.0 if math.isnan(score) else score)
        one.learn_one(x)


def test_scoring_learns_nothing() -> None:
    forest = HalfSpaceForest(FEATURES, seed=3)
    forest.learn_many(stream(400))
    before = pickle.dumps(forest)
    forest.score_many(stream(300, seed=1))
    assert pickle.dumps(forest) == before


def test_warm_up_has_no_score_and_ends_with_the_first_window() -> None:
    forest = HalfSpaceForest(FEATURES, window_size=50)
    rows = stream(50)
    forest.learn_many(rows[:49])
    assert not forest.ready
    assert np.isnan(forest.score_many(rows)).all()
    forest.learn_many(rows[49:])
    assert forest.ready
    assert not np.isnan(forest.score_many(rows)).any()


def test_scores_stay_in_their_range() -> None:
    forest = HalfSpaceForest(FEATURES, height=4, window_size=100)
    forest.learn_many(np.full((100, len(FEATURES)), 0.2))
    crowd, far = forest.score_many(np.array([[0.2] * len(FEATURES), [0.95] * len(FEATURES)]))
    assert crowd == 0.0
    assert 0.5 < far <= 1.0 - 1.0 / (2**5 - 1)


def test_missing_value_follows_the_crowd() -> None:
    forest = HalfSpaceForest(("a",), height=4, seed=5)
    forest.learn_many(np.full((250, 1), 0.9))
    missing, crowd, middle = forest.score_many(np.array([[np.nan], [0.9], [0.5]]))
    assert missing == crowd < middle


def test_missing_value_is_in_the_middle_before_there_is_a_crowd() -> None:
    missing, middle = HalfSpaceForest(FEATURES, seed=5), HalfSpaceForest(FEATURES, seed=5)
    missing.learn_many(np.full((249, len(FEATURES)), np.nan))
    middle.learn_many(np.full((249, len(FEATURES)), 0.5))
    assert pickle.dumps(missing) == pickle.dumps(middle)


def test_infinite_values_are_in_the_outermost_regions() -> None:
    forest = HalfSpaceForest(FEATURES, seed=5)
    forest.learn_many(stream(500))
    extremes = np.array([[np.inf], [-np.inf], [1.0], [0.0]]).repeat(len(FEATURES), axis=1)
    scores = forest.score_many(extremes)
    assert scores[:2].tolist() == scores[2:].tolist()


def test_empty_chunk_changes_nothing() -> None:
    forest = HalfSpaceForest(FEATURES, window_size=10)
    forest.learn_many(stream(10))
    before = pickle.dumps(forest)
    assert forest.score_learn_many(np.empty((0, len(FEATURES)))).shape == (0,)
    assert pickle.dumps(forest) == before


def test_wrong_number_of_columns_is_an_error() -> None:
    with pytest.raises(ValueError, match="rows of 12 features"):
        HalfSpaceForest(FEATURES).score_many(np.zeros((1, 3)))


def test_contributions_name_the_feature_that_is_odd() -> None:
    forest = HalfSpaceForest(FEATURES, seed=5)
    usual = np.full(len(FEATURES), 0.4)
    forest.learn_many(usual + 0.02 * np.random.default_rng(0).standard_normal((500, len(FEATURES))))
    odd = usual.copy()
    odd[4] = 0.95
    parts = forest.contributions(odd, usual)
    assert parts.argmax() == 4
    assert np.delete(parts, 4).tolist() == [0.0] * (len(FEATURES) - 1)
    single = forest.score_many(odd[np.newaxis])[0] - forest.score_many(usual[np.newaxis])[0]
    assert parts[4] == single


def test_restored_forest_goes_on_to_the_bit() -> None:
    forest = HalfSpaceForest(FEATURES, seed=9)
    forest.learn_many(stream(333))
    restored = pickle.loads(pickle.dumps(forest))  # noqa: S301 - written on the line itself
    rows = stream(400, seed=1)
    assert restored.score_learn_many(rows).tolist() == pytest.approx(forest.score_learn_many(rows).tolist(), abs=0.0)
    assert pickle.dumps(restored) == pickle.dumps(forest)


def test_copy_is_independent() -> None:
    forest = HalfSpaceForest(FEATURES, window_size=20)
    forest.learn_many(stream(30))
    twin = copy.deepcopy(forest)
    before = pickle.dumps(forest)
    twin.learn_many(stream(30))
    assert pickle.dumps(forest) == before != pickle.dumps(twin)


def test_counts_of_other_trees_are_refused() -> None:
    state = HalfSpaceForest(FEATURES, seed=1).__getstate__()
    state["seed"] = 2
    with pytest.raises(ValueError, match="other trees"):
        HalfSpaceForest.__new__(HalfSpaceForest).__setstate__(state)


def test_memory_is_bounded() -> None:
    forest = HalfSpaceForest(FEATURES)
    forest.learn_many(stream(250))
    early = len(pickle.dumps(forest))
    forest.learn_many(stream(20_000))
    assert len(pickle.dumps(forest)) <= early + 16  # a longer event count

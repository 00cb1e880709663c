"""The online quantile: accuracy, drift, warm-up, ties, bad input."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from ubi_stream.arrays import FloatArray
from ubi_stream.models.common.quantile import OnlineQuantile


@pytest.mark.parametrize("q", [0.01, 0.5, 0.9, 0.995])
def test_value_is_the_upper_edge_of_the_exact_quantiles_bin(q: float) -> None:
    scores = np.random.default_rng(0).beta(2, 5, 10_000)
    quantile = OnlineQuantile(q, half_life=math.inf)
    quantile.update_many(scores)
    exact = np.quantile(scores, q, method="inverted_cdf")
    assert quantile.value is not None
    assert exact <= quantile.value <= exact + 1 / 2048


@pytest.mark.parametrize("alert_rate", [0.05, 0.01, 0.005])
def test_alert_rate_on_a_drifting_stream_is_what_was_asked(alert_rate: float) -> None:
    # The scores' whole distribution wanders by several times its own spread over 200,000 events, and back.
    n = 200_000
    drift = 0.2 * np.sin(np.linspace(0, 2 * np.pi, n))
    scores = np.clip(0.5 + drift + 0.04 * np.random.default_rng(1).standard_normal(n), 0, 1)
    quantile = OnlineQuantile(1 - alert_rate, half_life=5_000)
    thresholds = quantile.track_many(scores)
    known = ~np.isnan(thresholds)
    achieved = float((scores[known] > thresholds[known]).mean())
    assert 0.6 * alert_rate < achieved < 1.7 * alert_rate


@pytest.mark.parametrize(("before", "after"), [(0.6, 0.3), (0.3, 0.6)], ids=["down", "up"])
def test_alert_rate_returns_to_what_was_asked_after_a_jump(before: float, after: float) -> None:
    level = np.repeat([before, after], 40_000)
    scores = level + 0.04 * np.random.default_rng(5).standard_normal(80_000)
    thresholds = OnlineQuantile(0.99, half_life=2_000).track_many(scores)
    late = slice(60_000, None)  # ten half-lives after the jump
    assert float((scores[late] > thresholds[late]).mean()) == pytest.approx(0.01, rel=0.25)


def test_alert_rate_on_a_steady_stream_is_what_was_asked() -> None:
    scores = np.random.default_rng(2).beta(2, 8, 200_000)
    thresholds = OnlineQuantile(0.995).track_many(scores)
    known = ~np.isnan(thresholds)
    assert float((scores[known] > thresholds[known]).mean()) == pytest.approx(0.005, rel=0.1)


def test_equal_scores_never_alert() -> None:
    scores = np.full(5_000, 0.7)
    thresholds = OnlineQuantile(0.995).track_many(scores)
    assert not (scores > thresholds).any()


def test_no_value_until_there_are_enough_scores() -> None:
    quantile = OnlineQuantile(0.9, block=100, min_count=250)
    scores = np.random.default_rng(3).random(301)
    quantile.update_many(scores[:299])
    assert quantile.value is None
    quantile.update(float(scores[299]))  # the block that passes min_count is complete
    assert quantile.value is not None


def test_tracked_threshold_is_the_one_before_the_score() -> None:
    scores = np.random.default_rng(4).random(1_000)
    tracked = OnlineQuantile(0.5, block=50, min_count=100).track_many(scores)
    stepped, expected = OnlineQuantile(0.5, block=50, min_count=100), []
    for score in scores.tolist():
        expected.append(np.nan if stepped.value is None else stepped.value)
        stepped.update(score)
    np.testing.assert_array_equal(tracked, np.array(expected))
    assert np.isnan(tracked[:100]).all()
    assert not np.isnan(tracked[100:]).any()


def test_bad_scores_are_ignored_and_others_clipped() -> None:
    bad: FloatArray = np.array([np.nan, np.inf, -np.inf])
    plain, spoiled = OnlineQuantile(0.5, block=10, min_count=10), OnlineQuantile(0.5, block=10, min_count=10)
    scores = np.linspace(0, 1, 20)
    plain.update_many(scores)
    spoiled.update_many(np.concatenate([bad, scores[:5], bad, scores[5:]]))
    assert pickle.dumps(plain) == pickle.dumps(spoiled)
    plain.update_many(np.array([-3.0, 7.0]))
    assert plain.n_seen == 22


@pytest.mark.parametrize("q", [0.0, 1.0, -1.0, float("nan")])
def test_impossible_quantile_is_an_error(q: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        OnlineQuantile(q)


def test_memory_is_bounded() -> None:
    quantile = OnlineQuantile(0.9)
    quantile.update_many(np.random.default_rng(0).random(1_000))
    early = len(pickle.dumps(quantile))
    quantile.update_many(np.random.default_rng(1).random(50_000))
    assert len(pickle.dumps(quantile)) <= early + 16


def test_the_share_of_scores_as_high_is_counted_and_never_0() -> None:
    scores = np.random.default_rng(3).random(10_000)
    quantile = OnlineQuantile(0.995, block=1_000, half_life=1e9)
    thresholds, shares = quantile.rank_many(scores)
    assert np.isnan(shares[:1_000]).all()
    last = slice(9_000, None)
    counted = np.array([(scores[:9_000] >= score).mean() for score in scores[last]])
    assert np.abs(shares[last] - counted).max() < 0.003  # all of a bin count as high
    alerts = np.flatnonzero(scores > thresholds)
    assert ((shares[alerts] > 0.0) & (shares[alerts] < 0.0075)).all()
    top = quantile.rank_many(np.array([2.0]))[1][0]
    assert top == pytest.approx(((scores >= 1 - 1 / 2048).sum() + 1) / 10_001)

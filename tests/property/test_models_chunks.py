"""Cutting the same stream into other chunks changes no bit of a model or of its results."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ubi_stream.arrays import FloatArray, row_sums, running_sums
from ubi_stream.models.anomaly.ensemble import DetectorEnsemble
from ubi_stream.models.anomaly.half_space import HalfSpaceForest
from ubi_stream.models.anomaly.inputs import DetectorInputs
from ubi_stream.models.anomaly.peers import PeerBaseline
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.quantile import OnlineQuantile
from ubi_stream.models.outcomes.logistic import OnlineLogistic

N_ROWS = 300
N_FEATURES = 9  # NumPy's pairwise sums start to differ from sequential ones at 8 terms
FEATURES = tuple(f"f{i}" for i in range(N_FEATURES))

cuts = st.lists(st.integers(0, N_ROWS), max_size=40).map(lambda inner: [0, *sorted(inner), N_ROWS])
seeds = st.integers(0, 2**32 - 1)
missing_shares = st.sampled_from([0.0, 0.1, 0.9])


def stream(seed: int, missing: float) -> FloatArray:
    rng = np.random.default_rng(seed)
    rows = rng.random((N_ROWS, N_FEATURES)) ** rng.integers(1, 6, N_FEATURES)
    rows[rng.random(rows.shape) < missing] = np.nan
    rows[rng.random(rows.shape) < missing / 20] = np.inf
    return rows


def chunks(rows: FloatArray, cut: list[int]) -> Iterator[FloatArray]:
    return (rows[start:stop] for start, stop in pairwise(cut))


class Run(Protocol):
    """Feeds a fresh model; gives its results by row, and the model."""

    def __call__(self, rows: Iterator[FloatArray]) -> tuple[list[FloatArray], object]: ...


def run_forest(rows: Iterator[FloatArray]) -> tuple[list[FloatArray], object]:
    forest = HalfSpaceForest(FEATURES, n_trees=5, height=5, window_size=40, seed=1)
    return [forest.score_learn_many(chunk) for chunk in rows], forest


def run_quantile(rows: Iterator[FloatArray]) -> tuple[list[FloatArray], object]:
    quantile = OnlineQuantile(0.9, bins=50, block=30, half_life=60, min_count=50)
    return [quantile.track_many(chunk[:, 0]) for chunk in rows], quantile


def run_peers(rows: Iterator[FloatArray]) -> tuple[list[FloatArray], object]:
    peers = PeerBaseline(N_FEATURES, block=40)
    for chunk in rows:
        peers.observe(chunk, [zlib.crc32(row.tobytes()) % 20 for row in chunk])
    return [peers.usual[np.newaxis], peers.typical[np.newaxis]], peers


def run_oddness(rows: Iterator[FloatArray]) -> tuple[list[FloatArray], object]:
    blend = DetectorEnsemble(FEATURES, trees=3, height=4, window=40, sample=30, seed=1)
    scores = []
    for chunk in rows:
        keys = (np.nan_to_num(chunk[:, 0], posinf=1.0) * 5).astype(np.uint64)
        inputs = DetectorInputs.of(chunk, chunk[:, :2] * 3.0, keys)
        for part in blend.parts(len(chunk)):
            look = blend.look(inputs[part])
            blend.learn(inputs[part], look)
            scores.append(look.score)
    return scores, blend


@pytest.mark.parametrize("run", [run_forest, run_quantile, run_peers, run_oddness])
@settings(max_examples=60, deadline=None)
@given(seed=seeds, missing=missing_shares, cut=cuts)
def test_chunks_change_no_bit(run: Run, seed: int, missing: float, cut: list[int]) -> None:
    rows = stream(seed, missing)
    whole_results, whole = run(chunks(rows, [0, N_ROWS]))
    cut_results, parts = run(chunks(rows, cut))
    assert np.concatenate(whole_results).tobytes() == np.concatenate(cut_results).tobytes()
    assert digest(whole) == digest(parts)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, missing=missing_shares, cut=cuts)
def test_predictions_between_labels_do_not_depend_on_chunks(seed: int, missing: float, cut: list[int]) -> None:
    rows = stream(seed, missing)
    model = OnlineLogistic(FEATURES, lr=0.3)
    for row in rows[:60]:
        model.learn(row, bool(row[0] > 0.2))
    parts = [model.predict_many(chunk) for chunk in chunks(rows, cut)]
    assert np.concatenate(parts).tobytes() == model.predict_many(rows).tobytes()
    assert [model.predict(row) for row in rows] == model.predict_many(rows).tolist()


@settings(max_examples=60, deadline=None)
@given(seed=seeds, cut=cuts)
def test_sums_do_not_depend_on_chunks(seed: int, cut: list[int]) -> None:
    rows = np.random.default_rng(seed).standard_normal((N_ROWS, N_FEATURES))
    whole = running_sums(np.zeros(N_FEATURES), rows)
    carry = np.zeros(N_FEATURES)
    for chunk in chunks(rows, cut):
        carry = running_sums(carry, chunk)
    assert carry.tobytes() == whole.tobytes()
    assert np.concatenate([row_sums(chunk) for chunk in chunks(rows, cut)]).tobytes() == row_sums(rows).tobytes()


values = st.one_of(st.floats(), st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 1.0, 1e308, -1e308, 5e-324]))


def learn_logistic(model: OnlineLogistic, rows: FloatArray) -> None:
    for row in rows:
        model.learn(row, len(row) % 2 == 0)
        assert 0.0 <= model.predict(row) <= 1.0


@settings(max_examples=100, deadline=None)
@given(table=st.lists(st.lists(values, min_size=2, max_size=2), min_size=1, max_size=30))
def test_no_value_makes_a_model_raise_or_lose_its_range(table: list[list[float]]) -> None:
    rows = np.array(table)
    forest = HalfSpaceForest(("a", "b"), n_trees=3, height=3, window_size=4)
    scores = forest.score_learn_many(rows)
    assert ((scores[4:] >= 0) & (scores[4:] <= 1)).all()
    quantile = OnlineQuantile(0.5, block=3, min_count=3)
    quantile.update_many(rows[:, 0])
    assert quantile.value is None or 0 <= quantile.value <= 1
    peers = PeerBaseline(2, block=3)
    peers.observe(rows, list(range(len(rows))))
    assert not np.isinf(peers.usual).any()
    assert not np.isinf(peers.typical).any()
    learn_logistic(OnlineLogistic(("a", "b"), lr=0.5, l2=0.01), rows)


def copied(value: object) -> object:
    return [copied(part) for part in value] if isinstance(value, list) else value


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=20))
def test_digest_is_a_function_of_the_value(value: object) -> None:
    assert digest(copied(value)) == digest(value)

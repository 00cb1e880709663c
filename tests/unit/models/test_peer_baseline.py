"""The peers' baseline: plain moments over blocks, forgetting, missing values."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from ubi_stream.models.peers import PeerBaseline


def test_without_forgetting_it_is_the_mean_and_deviation_of_all_complete_blocks() -> None:
    rows = np.random.default_rng(0).normal([1e9, 0.0, -5.0], [1.0, 1e-3, 100.0], (1_049, 3))
    peers = PeerBaseline(3, block=100, half_life=1e15)
    peers.observe(rows)
    np.testing.assert_allclose(peers.mean, rows[:1_000].mean(axis=0), rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(peers.std, rows[:1_000].std(axis=0), rtol=1e-6)


def test_forgets_by_half_per_half_life() -> None:
    peers = PeerBaseline(1, block=10, half_life=10)
    peers.observe(np.full((10, 1), 4.0))
    peers.observe(np.full((10, 1), 1.0))
    # Weights 5 and 10: mean (5 * 4 + 10 * 1) / 15 = 2, variance (5 * 2**2 + 10 * 1**2) / 15 = 2.
    assert peers.mean[0] == pytest.approx(2.0)
    assert peers.std[0] ** 2 == pytest.approx(2.0)


def test_changes_only_when_a_block_is_complete() -> None:
    peers = PeerBaseline(1, block=4)
    peers.observe(np.array([[1.0], [2.0], [3.0]]))
    assert np.isnan(peers.mean).all()
    assert np.isnan(peers.std).all()
    peers.observe(np.array([[6.0], [100.0]]))
    assert peers.mean.tolist() == [3.0]


def test_missing_and_infinite_values_are_ignored() -> None:
    peers = PeerBaseline(2, block=4)
    peers.observe(np.array([[np.nan, 1.0], [np.inf, 2.0], [-np.inf, 3.0], [5.0, 2.0]]))
    assert peers.mean.tolist() == [5.0, 2.0]
    assert peers.std.tolist() == pytest.approx([0.0, 0.5**0.5])


def test_absent_feature_keeps_its_figures() -> None:
    peers = PeerBaseline(2, block=2)
    peers.observe(np.array([[1.0, 1.0], [3.0, 3.0]]))
    peers.observe(np.array([[np.nan, 9.0], [np.nan, 9.0]]))
    assert peers.mean[0] == 2.0
    assert peers.std[0] == 1.0
    assert peers.mean[1] > 5.0


def test_huge_values_neither_raise_nor_become_infinite() -> None:
    peers = PeerBaseline(1, block=2)
    peers.observe(np.array([[1e308], [-1e308], [1e308], [1e308]]))
    assert np.isfinite(peers.mean).all()
    assert np.isfinite(peers.std).all()


def test_results_are_copies() -> None:
    peers = PeerBaseline(1, block=1)
    peers.observe(np.array([[2.0]]))
    peers.mean[0] = 99.0
    assert peers.mean[0] == 2.0


def test_memory_is_bounded() -> None:
    peers = PeerBaseline(3)
    rows = np.random.default_rng(0).random((20_000, 3))
    peers.observe(rows[:250])
    early = len(pickle.dumps(peers))
    peers.observe(rows)
    assert len(pickle.dumps(peers)) <= early + 16

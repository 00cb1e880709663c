"""What is usual of all entities: medians, in which a bot is one of many."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from ubi_stream.models.anomaly.peers import PeerBaseline


def each(n: int) -> list[int]:
    """So many entities, each once."""
    return list(range(n))


def test_it_is_the_median_over_entities() -> None:
    rows = np.random.default_rng(0).normal([1e6, 0.0, -5.0], [1.0, 1e-3, 100.0], (101, 3))
    peers = PeerBaseline(3, block=101)
    peers.observe(rows, each(101))
    np.testing.assert_allclose(peers.usual, np.median(rows, axis=0), rtol=1e-6)


def test_a_bot_is_one_of_many_however_many_events_it_has() -> None:
    rng = np.random.default_rng(1)
    people, bot = rng.poisson(4.0, (60, 1)).astype(float), np.full((190, 1), 380.0)
    peers = PeerBaseline(1, block=250)
    peers.observe(np.concatenate((people, bot)), [*each(60), *[99] * 190])
    assert 3 <= peers.usual[0] <= 5


def test_the_newest_row_of_an_entity_counts() -> None:
    peers = PeerBaseline(1, block=4)
    peers.observe(np.array([[1.0], [50.0], [2.0], [3.0]]), [1, 2, 1, 2])
    assert peers.usual.tolist() == [2.0]  # of 2 and 3, the lower


def test_what_is_typical_is_of_those_who_have_any() -> None:
    peers = PeerBaseline(2, block=10)
    rows = np.zeros((10, 2))
    rows[:3, 0] = [20.0, 30.0, 80.0]
    peers.observe(rows, each(10))
    assert peers.usual.tolist() == [0.0, 0.0]
    assert peers.typical.tolist() == [30.0, 0.0]


def test_follows_what_is_usual_now() -> None:
    peers = PeerBaseline(1, block=10)
    for _ in range(20):
        peers.observe(np.full((10, 1), 4.0), each(10))
    for _ in range(30):
        peers.observe(np.full((10, 1), 8.0), each(10))
    assert 7.5 < peers.usual[0] <= 8.0


def test_changes_only_when_a_block_is_complete() -> None:
    peers = PeerBaseline(1, block=4)
    peers.observe(np.array([[1.0], [2.0], [3.0]]), [1, 2, 3])
    assert np.isnan(peers.usual).all()
    peers.observe(np.array([[6.0], [100.0]]), [4, 5])
    assert peers.usual.tolist() == [2.0]


def test_missing_and_infinite_values_are_ignored() -> None:
    peers = PeerBaseline(2, block=4)
    peers.observe(np.array([[np.nan, 1.0], [np.inf, 2.0], [-np.inf, 3.0], [5.0, 2.0]]), each(4))
    assert peers.usual.tolist() == [5.0, 2.0]


def test_absent_feature_keeps_its_figures() -> None:
    peers = PeerBaseline(2, block=2)
    peers.observe(np.array([[1.0, 1.0], [3.0, 3.0]]), each(2))
    peers.observe(np.array([[np.nan, 9.0], [np.nan, 9.0]]), each(2))
    assert peers.usual.tolist() == [1.0, 5.0]


@pytest.mark.parametrize("value", [1e308, -1e308])
def test_huge_values_neither_raise_nor_become_infinite(value: float) -> None:
    peers = PeerBaseline(1, block=2)
    peers.observe(np.array([[value], [-value], [value], [value]]), each(4))
    assert np.isfinite(peers.usual).all()
    assert np.isfinite(peers.typical).all()


def test_results_are_copies() -> None:
    peers = PeerBaseline(1, block=1)
    peers.observe(np.array([[2.0]]), [1])
    peers.usual[0] = 99.0
    assert peers.usual[0] == 2.0


def test_memory_is_bounded() -> None:
    peers = PeerBaseline(3)
    rows = np.random.default_rng(0).random((20_000, 3))
    peers.observe(rows[:249], each(249))
    most = len(pickle.dumps(peers))
    peers.observe(rows, each(20_000))
    assert len(pickle.dumps(peers)) <= most + 200

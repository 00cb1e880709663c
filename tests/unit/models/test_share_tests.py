"""Sequential tests of shares: what chance alone never brings, and what is found soon."""

from __future__ import annotations

import numpy as np
import pytest

from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.snapshot import dumps, loads
from ubi_stream.rules.shares import ShareTests


def make(n: int = 1, **changes: float) -> ShareTests:
    settings = {"prior_hits": 0.5, "prior_trials": 1.0, "slack": 0.25, "left": 0.05, "evidence": 9.0, "least": 40.0}
    return ShareTests(n, **{**settings, "certain": 200.0, **changes})


def learned(usual: float, trials: int = 1_000, *, seed: int = 1) -> ShareTests:
    tests, rng = make(), np.random.default_rng(seed)
    for at_ms in range(trials):
        tests.update(np.ones(1), np.array([float(rng.random() < usual)]), at_ms, only_learn=True)
    return tests


def steps_until_risen(tests: ShareTests, share: float, most: int, *, seed: int = 2) -> int | None:
    rng = np.random.default_rng(seed)
    for step in range(most):
        if tests.update(np.ones(1), np.array([float(rng.random() < share)]), 10_000 + step)[0]:
            return step + 1
    return None


@pytest.mark.parametrize("usual", [0.01, 0.1, 0.4, 0.9, 0.97])
def test_a_share_that_stays_raises_nothing_for_long(usual: float) -> None:
    assert steps_until_risen(learned(usual), usual, 20_000) is None


@pytest.mark.parametrize(("usual", "tonight"), [(0.01, 0.03), (0.1, 0.3), (0.4, 0.6), (0.9, 0.94)])
def test_an_ordinary_swing_raises_nothing(usual: float, tonight: float) -> None:
    assert steps_until_risen(learned(usual), tonight, 5_000) is None


@pytest.mark.parametrize(("usual", "within"), [(0.01, 5), (0.1, 7), (0.4, 18), (0.9, 190)])
def test_what_stops_is_found_soon(usual: float, within: int) -> None:
    steps = steps_until_risen(learned(usual), 1.0, 1_000)
    assert steps is not None
    assert steps <= within


def test_it_says_since_when_and_of_how_many() -> None:
    tests = learned(0.05)
    steps = steps_until_risen(tests, 1.0, 100)
    assert steps is not None
    assert tests.since_ms[0] == 10_000
    assert (tests.trials[0], tests.hits[0]) == (steps, steps)
    assert tests.usual[0] == pytest.approx(0.05, abs=0.02)


def test_what_has_risen_is_not_learned_and_ends_when_it_is_usual_again() -> None:
    tests = learned(0.05)
    steps_until_risen(tests, 1.0, 100)
    tests.begin(0)
    assert steps_until_risen(tests, 1.0, 500) is None, "an active column is not risen again"
    assert tests.ended() == []
    assert tests.usual[0] == pytest.approx(0.05, abs=0.02)
    for step in range(10):
        tests.update(np.ones(1), np.zeros(1), 20_000 + step)
    assert tests.ended() == [0]
    tests.end(0)
    assert not tests.active[0]
    assert steps_until_risen(tests, 1.0, 100) is not None


def test_a_share_that_is_forgotten_has_a_new_usual() -> None:
    tests = learned(0.05)
    steps_until_risen(tests, 1.0, 100)
    tests.begin(0)
    steps_until_risen(tests, 0.9, 500)
    tests.end(0, forget=True)
    assert tests.usual[0] == pytest.approx(0.9, abs=0.05)
    assert steps_until_risen(tests, 0.9, 1_000) is None


def test_nothing_is_known_before_enough_was_learned() -> None:
    assert steps_until_risen(make(), 1.0, 39) is None


def test_columns_don_t_touch_each_other_and_a_snapshot_keeps_all() -> None:
    both, one, rng = make(2), make(1), np.random.default_rng(3)
    for at_ms in range(2_000):
        hits = (rng.random(2) < (0.1, 0.1 if at_ms < 1_500 else 1.0)).astype(np.float64)
        both.update(np.ones(2), hits, at_ms, only_learn=at_ms < 500)
        one.update(np.ones(1), hits[1:], at_ms, only_learn=at_ms < 500)
        if at_ms % 500 == 0:
            both = loads(dumps(both, key=b"k", feature_hash="f"), key=b"k", feature_hash="f")  # type: ignore[assignment]  # what was written
    assert both.evidence[1] == one.evidence[0] >= 9.0
    assert both.evidence[0] < 9.0
    assert digest(both) != digest(one)


def test_a_share_that_is_as_before_a_sale_has_not_risen() -> None:
    tests, rng = learned(0.97, 20_000), np.random.default_rng(3)
    for at_ms in range(4_000):
        tests.update(np.ones(1), np.array([float(rng.random() < 0.85)]), 20_000 + at_ms)
    assert float(tests.usual[0]) < 0.9  # what is usual follows the sale
    assert steps_until_risen(tests, 0.97, 3_000) is None


def test_what_breaks_during_a_sale_is_found_all_the_same() -> None:
    tests, rng = learned(0.5, 20_000), np.random.default_rng(3)
    for at_ms in range(2_000):
        tests.update(np.ones(1), np.array([float(rng.random() < 0.3)]), 20_000 + at_ms)
    steps = steps_until_risen(tests, 1.0, 100)
    assert steps is not None
    assert steps <= 40

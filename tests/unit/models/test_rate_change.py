"""Doubled or halved rates: against the exact binomial test, and false alarms on equal rates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ubi_stream.models.rate_change import rate_change


def exact_tail(recent: int, total: int, share: float) -> float:
    """Probability of at least `recent` of `total` under equal rates."""
    return sum(math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(recent, total + 1))


def test_doubled_rate_is_up() -> None:
    change = rate_change(60, 1.0, 210, 7.0)
    assert change is not None
    assert change.direction == "up"
    assert change.factor == pytest.approx(2.0, rel=0.01)


def test_halved_rate_is_down() -> None:
    change = rate_change(90, 7.0, 800, 30.0)
    assert change is not None
    assert change.direction == "down"
    assert change.z < -3
    assert change.factor == pytest.approx(0.48, abs=0.01)


def test_silence_after_activity_is_down_with_a_finite_factor() -> None:
    change = rate_change(0, 1.0, 140, 7.0)
    assert change is not None
    assert change.direction == "down"
    assert 0 < change.factor < 0.05


def test_activity_after_silence_is_up_with_a_finite_factor() -> None:
    change = rate_change(20, 1.0, 0, 7.0)
    assert change is not None
    assert 20 < change.factor < math.inf


@pytest.mark.parametrize(
    ("recent", "recent_exposure", "baseline", "baseline_exposure"),
    [(2, 1.0, 7, 7.0), (4, 1.0, 7, 7.0), (150, 1.0, 700, 7.0), (140, 2.0, 1400, 14.0), (9, 1.0, 0, 7.0)],
    ids=["equal", "four times, by chance", "certain, not double", "certain, not half", "fewer than ten events"],
)
def test_no_change_without_size_certainty_and_evidence(
    recent: int, recent_exposure: float, baseline: int, baseline_exposure: float
) -> None:
    assert rate_change(recent, recent_exposure, baseline, baseline_exposure) is None


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, 1e-300])
def test_impossible_exposures_tell_nothing(bad: float) -> None:
    assert rate_change(50, bad, 50, 1.0) is None
    assert rate_change(50, 1.0, 50, bad) is None


@pytest.mark.parametrize(
    ("recent", "total", "share"), [(10, 20, 0.2), (30, 100, 0.125), (9, 12, 0.25), (80, 400, 0.125)]
)
def test_evidence_agrees_with_the_exact_test(recent: int, total: int, share: float) -> None:
    change = rate_change(recent, share, total - recent, 1 - share, min_factor=1.0, min_z=0.0)
    assert change is not None
    approximate = 0.5 * math.erfc(change.z / math.sqrt(2))
    assert approximate == pytest.approx(exact_tail(recent, total, share), rel=0.7)


def test_false_alarms_on_equal_rates_are_as_rare_as_promised() -> None:
    rng = np.random.default_rng(0)
    counts = zip(rng.poisson(30, 20_000).tolist(), rng.poisson(210, 20_000).tolist(), strict=True)
    alarms = [rate_change(recent, 1.0, baseline, 7.0, min_factor=1.0) is not None for recent, baseline in counts]
    assert 0.0013 < np.mean(alarms) < 0.0045  # 0.0027 for a normal

"""Online calibration: probabilities that mean what they say."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from ubi_stream.models.outcomes.calibration import OnlineCalibrator
from ubi_stream.models.outcomes.quality import RollingQuality


def calibration_errors(logits: list[float], raw: list[float], seed: int = 0) -> tuple[float, float]:
    """Expected calibration error over the whole stream, before and after calibration."""
    rng = np.random.default_rng(seed)
    calibrator, before, after = OnlineCalibrator(), RollingQuality(), RollingQuality()
    for logit, probability in zip(logits, raw, strict=True):
        outcome = bool(rng.random() < 1 / (1 + math.exp(-logit)))
        before.update(probability, outcome)
        after.update(calibrator.transform(probability), outcome)
        calibrator.learn(probability, outcome)
    errors = [quality.as_dict()["all_time"]["calibration_error"] for quality in (before, after)]
    assert errors[0] is not None
    assert errors[1] is not None
    return errors[0], errors[1]


@pytest.mark.parametrize(
    ("slope", "offset"),
    [(2.5, 1.0), (0.4, -1.0), (1.0, 2.0)],
    ids=["over-confident", "under-confident", "wrong base rate"],
)
def test_repairs_a_distorted_classifier(slope: float, offset: float) -> None:
    logits = (2 * np.random.default_rng(1).standard_normal(10_000) - 1).tolist()
    raw = [1 / (1 + math.exp(-(slope * logit + offset))) for logit in logits]
    before, after = calibration_errors(logits, raw)
    assert before > 0.06
    assert after < 0.02


def test_repairs_what_no_sigmoid_can() -> None:
    rng = np.random.default_rng(2)
    raw = rng.random(10_000)
    truth = 0.5 + 0.4 * np.sin(6 * raw)  # rises, falls, rises
    logits = np.log(truth / (1 - truth)).tolist()
    before, after = calibration_errors(logits, raw.tolist())
    assert before > 0.2
    assert after < 0.05


def test_leaves_a_calibrated_classifier_alone() -> None:
    logits = (2 * np.random.default_rng(3).standard_normal(10_000)).tolist()
    _, after = calibration_errors(logits, [1 / (1 + math.exp(-logit)) for logit in logits])
    assert after < 0.02


def test_unchanged_before_the_first_label() -> None:
    assert OnlineCalibrator().transform(0.123) == 0.123


def test_transform_changes_nothing_and_many_equal_single_ones() -> None:
    calibrator = OnlineCalibrator()
    for i in range(100):
        calibrator.learn(i / 100, i % 3 == 0)
    before = pickle.dumps(calibrator)
    probabilities = np.linspace(0, 1, 41)
    single = [calibrator.transform(probability) for probability in probabilities.tolist()]
    assert calibrator.transform_many(probabilities).tolist() == single
    assert pickle.dumps(calibrator) == before


def test_weight_counts_as_more_evidence() -> None:
    light, heavy = OnlineCalibrator(), OnlineCalibrator()
    light.learn(0.5, True, weight=1.0)
    heavy.learn(0.5, True, weight=5.0)
    assert 0.5 < light.transform(0.5) < heavy.transform(0.5)


def test_extreme_and_missing_probabilities() -> None:
    calibrator = OnlineCalibrator()
    for probability, outcome in [(0.0, True), (1.0, False), (math.nan, True)] * 200:
        calibrator.learn(probability, outcome)
    assert calibrator.n_seen == 400
    assert math.isnan(calibrator.transform(math.nan))
    assert all(0.0 < calibrator.transform(probability) < 1.0 for probability in (0.0, 0.5, 1.0))


def test_memory_is_bounded() -> None:
    calibrator = OnlineCalibrator()
    rng = np.random.default_rng(0)
    sizes = []
    for _ in range(3_000):
        calibrator.learn(float(rng.random()), bool(rng.random() < 0.5))
        sizes.append(len(pickle.dumps(calibrator)))
    assert sizes[-1] <= max(sizes[:500]) + 16

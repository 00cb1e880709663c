"""Further voices of the anomaly ensemble: River's detectors, and those of extensions by row and by array."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from ubi_stream.arrays import FloatArray
from ubi_stream.errors import ConfigError
from ubi_stream.models import registry
from ubi_stream.models.anomaly.custom import LESSON, CustomDetector
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.snapshot import dumps, loads
from ubi_stream.models.model_check_tasks import check_detector, check_drift_detector
from ubi_stream.models.registry import Recipe

NAMES = ("a", "b")
ROWS = np.random.default_rng(0).random((4 * LESSON, 2))
KINDS = {
    "anomaly.HalfSpaceTrees(window_size=50)": NAMES,
    "anomaly.LODA(n_random_cuts=10)": NAMES,
    "preprocessing.StandardScaler | anomaly.OneClassSVM": NAMES,
    "anomaly.GaussianScorer(window_size=50)": ("a",),
    "anomaly.StandardAbsoluteDeviation": ("b",),
}


def taught(custom_detector: CustomDetector, rows: FloatArray) -> CustomDetector:
    for start in range(0, len(rows), LESSON):
        custom_detector.keep(rows[start : start + LESSON], start)
        custom_detector.learn()
    return custom_detector


class Far:
    """An extension's detector: distance from the mean of one value."""

    def __init__(self) -> None:
        self.mean, self.count = 0.0, 0

    def score_one(self, x: Mapping[str, float]) -> float:
        return abs(x["a"] - self.mean) if "a" in x else math.nan

    def learn_one(self, x: Mapping[str, float]) -> None:
        if "a" in x:
            self.count += 1
            self.mean += (x["a"] - self.mean) / self.count


class FarMany(Far):
    """The same, by arrays."""

    def score_many(self, rows: FloatArray) -> FloatArray:
        far: FloatArray = np.abs(rows[:, 0] - self.mean)
        return far

    def learn_many(self, rows: FloatArray) -> None:
        for value in rows[:, 0].tolist():
            if math.isfinite(value):
                self.learn_one({"a": value})


class Growing(Far):
    """It keeps all that it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.all = np.random.default_rng(0).random(200_000)


class Learning(Far):
    """It learns while it scores."""

    def score_one(self, x: Mapping[str, float]) -> float:
        self.mean += 0.01
        return super().score_one(x)


@pytest.mark.parametrize("kind", KINDS)
def test_rivers_detectors_are_fit_and_go_on_after_a_restart(kind: str) -> None:
    recipe = Recipe(kind, KINDS[kind])
    stays = taught(CustomDetector("v", recipe, NAMES), ROWS[: 2 * LESSON])
    moves = loads(dumps(stays, key=b"k", feature_hash=""), key=b"k", feature_hash="")
    assert isinstance(moves, CustomDetector)
    assert digest(taught(moves, ROWS[2 * LESSON :])) == digest(taught(stays, ROWS[2 * LESSON :]))
    assert np.isfinite(stays.score_many(ROWS)).all()
    assert np.isnan(stays.score_many(np.full((1, 2), math.nan))).all()


@pytest.mark.parametrize("kind", KINDS)
def test_rivers_detectors_keep_every_promise(kind: str) -> None:
    features = KINDS[kind]
    vetted = check_detector(Recipe(kind, features), ROWS[:200, : len(features)], cpu_s=iter(range(9)).__next__)
    assert vetted.problems == ()
    assert 0 < vetted.snapshot_bytes < 60_000
    assert vetted.score_us == vetted.learn_us == pytest.approx(1e6 / 200)


@pytest.mark.parametrize(
    ("model", "problem"), [(Far, ""), (FarMany, ""), (Learning, "scoring"), (Growing, "more than")]
)
def test_an_extensions_detector_runs_if_it_keeps_its_promises(
    monkeypatch: pytest.MonkeyPatch, model: type[Far], problem: str
) -> None:
    monkeypatch.setattr(registry, "_of_extension", lambda kind: lambda features, seed: model())
    vetted = check_detector(Recipe("far", NAMES), ROWS[:200], cpu_s=iter(range(9)).__next__)
    assert any(problem in delivered for delivered in vetted.problems) if problem else vetted.problems == ()


def test_arrays_and_rows_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    predicted = []
    for model in (Far, FarMany):
        monkeypatch.setattr(registry, "_of_extension", lambda kind, model=model: lambda features, seed: model())
        predicted.append(taught(CustomDetector("far", Recipe("far", NAMES), NAMES), ROWS).score_many(ROWS).tolist())
    assert predicted[0] == predicted[1]


def test_a_share_of_the_rows_is_learned_the_same_one_however_they_come() -> None:
    recipe = Recipe("anomaly.StandardAbsoluteDeviation", ("a",))
    whole, parts = (CustomDetector("some", recipe, NAMES, share=0.3) for _ in range(2))
    whole.keep(ROWS, 0)
    for start in range(0, len(ROWS), 7):
        parts.keep(ROWS[start : start + 7], start)
    for custom_detector in (whole, parts):
        custom_detector.learn()
    assert digest(whole) == digest(parts)
    assert 0.2 < whole.n_seen / len(ROWS) < 0.4


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe("anomaly.LocalOutlierFactor", NAMES), "no anomaly detector that may run: expected one of Gauss"),
        (Recipe("naive_bayes.GaussianNB", NAMES), "no anomaly detector"),
        (Recipe("anomaly.GaussianScorer", NAMES), "expected a single feature"),
        (Recipe("anomaly.LODA(wings=2)", NAMES), "doesn't take these parameters"),
        (Recipe("unknown", NAMES), "no model 'unknown'"),
    ],
)
def test_what_may_not_run_is_refused(recipe: Recipe, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe.make_detector()


@pytest.mark.parametrize("kind", ["drift.ADWIN", "drift.PageHinkley", "drift.KSWIN(window_size=40, stat_size=10)"])
def test_drift_detectors_are_fit_and_measured(kind: str) -> None:
    vetted = check_drift_detector(kind, {}, ROWS[:200, 0], cpu_s=iter(range(9)).__next__)
    assert vetted.problems == ()
    assert vetted.score_us == pytest.approx(1e6 / 200)


def test_a_drift_detector_off_the_list_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of ADWIN, KSWIN, PageHinkley"):
        check_drift_detector("drift.DummyDriftDetector", {}, ROWS[:20, 0], cpu_s=float)

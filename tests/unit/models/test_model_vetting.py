"""What a model must hold to before it runs: good ones pass, each kind of bad one is told apart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from river import naive_bayes

from ubi_stream.arrays import FloatArray
from ubi_stream.models import registry
from ubi_stream.models.common.protocol import RowModel
from ubi_stream.models.model_checks import Vetted, check_model
from ubi_stream.models.registry import Recipe

FEATURES = ("depth", "minutes", "price")


def data(n: int = 200) -> tuple[FloatArray, list[bool]]:
    rng = np.random.default_rng(0)
    rows = rng.random((n, 3))
    labels = (rows[:, 0] + rows[:, 1] > 1.0).tolist()
    rows[rng.random(rows.shape) < 0.1] = math.nan
    return rows, labels


def tried(recipe: Recipe) -> Vetted:
    ticks = itertools.count()
    rows, labels = data()
    return check_model(recipe, rows, labels, cpu_s=lambda: float(next(ticks)))


@pytest.mark.parametrize(
    "kind", ["line", "blend", "logistic", "naive-bayes", "tree.HoeffdingTreeClassifier(max_depth=3)"]
)
def test_good_models_pass_and_are_measured(kind: str) -> None:
    vetted = tried(Recipe(kind, FEATURES))
    assert vetted.problems == ()
    assert vetted.learn_us == vetted.score_us == pytest.approx(1e6 / 200)  # a clock that ticks once when asked
    assert 0 < vetted.snapshot_bytes < 20_000


class Counting(RowModel):
    """A model that is all right; each way of not being so is a class below."""

    def __init__(self) -> None:
        self.labels = 1.0
        self.positives = 0.5

    def score(self, row: FloatArray) -> float:
        return self.positives / self.labels

    def learn(self, row: FloatArray, positive: bool, weight: float = 1.0) -> None:
        self.labels += weight
        self.positives += weight * positive


class Overconfident(Counting):
    def score(self, row: FloatArray) -> float:
        return 1.5


class LearningWhileScoring(Counting):
    def score(self, row: FloatArray) -> float:
        self.labels += 1.0
        return self.positives / self.labels


_made = itertools.count()


class Different(Counting):
    def __init__(self) -> None:
        super().__init__()
        self.positives = 0.5 - 0.01 * (next(_made) % 7)


class Forgetful(Counting):
    def snapshot(self) -> Mapping[str, Any]:
        return {}


class Unsigned(Counting):
    def snapshot(self) -> Mapping[str, Any]:
        return {"itself": self}


class Fragile(Counting):
    def score(self, row: FloatArray) -> float:
        return 0.5 if np.isfinite(row[0]) else math.nan


class Silent(Counting):
    def contributions(self, row: FloatArray, baseline: FloatArray) -> FloatArray:
        return np.full(1, math.nan)


class Large(Counting):
    def snapshot(self) -> Mapping[str, Any]:
        return vars(self) | {"memory": np.random.default_rng(0).random(200_000)}


class Raising(Counting):
    def learn(self, row: FloatArray, positive: bool, weight: float = 1.0) -> None:
        if self.labels > 50:
            raise ZeroDivisionError("too many")
        super().learn(row, positive, weight)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (Counting, None),
        (Overconfident, "scores are probabilities: it is not so"),
        (LearningWhileScoring, "scoring changes nothing"),
        (Different, "equal runs are equal: it is not so"),
        (Forgetful, "a snapshot goes on as if nothing had happened: it is not so"),
        (Unsigned, "is not part of a model"),
        (Fragile, "missing and absurd values do no harm: it is not so"),
        (Silent, "contributions are finite"),
        (Large, "too large|more than"),
        (Raising, "ZeroDivisionError: too many"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_each_broken_promise_is_told(
    monkeypatch: pytest.MonkeyPatch, model: Callable[[], RowModel], problem: str | None
) -> None:
    monkeypatch.setattr(registry, "_of_extension", lambda kind: lambda features, seed: model())
    vetted = tried(Recipe("mine", FEATURES))
    if problem is None:
        assert vetted.problems == ()
    else:
        assert any(part in delivered for delivered in vetted.problems for part in problem.split("|")), vetted.problems


def test_rivers_own_checks_find_a_model_that_needs_every_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    def need(self: object, x: dict[str, float]) -> dict[bool, float]:
        return {True: min(x["depth"], 1.0), False: 0.0}

    monkeypatch.setattr(naive_bayes.GaussianNB, "predict_proba_one", need)
    vetted = tried(Recipe("naive-bayes", FEATURES))
    assert any(
        delivered.startswith("River's check_disappearing_features fails: KeyError") for delivered in vetted.problems
    )

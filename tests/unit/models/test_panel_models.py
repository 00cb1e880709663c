"""Every kind of model that a panel may run: what the protocol promises, and that nothing breaks it."""

from __future__ import annotations

import math
import pickle
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

from ubi_stream.arrays import FloatArray
from ubi_stream.errors import ConfigError
from ubi_stream.models import registry
from ubi_stream.models.common import snapshot
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.protocol import OnlineModel, RowModel, log_odds_of
from ubi_stream.models.registry import Recipe, kinds

FEATURES = ("depth", "minutes", "price", "never")
TREE = "tree.HoeffdingTreeClassifier(max_depth=2, grace_period=25)"
SCALED = "preprocessing.StandardScaler | linear_model.LogisticRegression"
RECIPES = [*(Recipe(kind, FEATURES) for kind in kinds()), Recipe(TREE, FEATURES), Recipe(SCALED, FEATURES)]


def stream(n: int, seed: int = 0) -> tuple[FloatArray, list[bool]]:
    """Rows with missing and infinite values, and a column without any; labels that follow two of the others."""
    rng = np.random.default_rng(seed)
    rows = rng.random((n, 4)) * [10.0, 60.0, 1_000.0, 1.0]
    labels = rows[:, 0] + 0.05 * rows[:, 1] + rng.standard_normal(n) > 7.0
    rows[rng.random(rows.shape) < 0.05] = np.nan
    rows[rng.random(rows.shape) < 0.01] = np.inf
    rows[:, 3] = np.nan
    return rows, labels.tolist()


def taught(recipe: Recipe, n: int = 300) -> OnlineModel:
    model = recipe.make()
    for row, label in zip(*stream(n), strict=True):
        model.learn(row, label)
    return model


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.kind)
class TestEveryKind:
    def test_ranks_what_it_has_not_seen(self, recipe: Recipe) -> None:
        model = taught(recipe, 600)
        rows, labels = stream(400, seed=1)
        scores = model.score_many(rows)
        assert ((scores >= 0.0) & (scores <= 1.0)).all()
        positive, negative = scores[labels], scores[~np.array(labels)]
        assert (positive[:, np.newaxis] > negative).mean() > 0.75

    def test_scores_many_as_it_scores_one_and_changes_nothing(self, recipe: Recipe) -> None:
        model = taught(recipe)
        rows, _ = stream(50, seed=1)
        before = digest(dict(model.snapshot()))
        many = model.score_many(rows)
        assert [model.score(row) for row in rows] == many.tolist()
        assert np.concatenate([model.score_many(rows[:7]), model.score_many(rows[7:])]).tobytes() == many.tobytes()
        assert digest(dict(model.snapshot())) == before

    def test_goes_on_from_a_snapshot_as_if_nothing_happened(self, recipe: Recipe) -> None:
        model = taught(recipe)
        other = recipe.make()
        blob = snapshot.dumps(model.snapshot(), key=b"secret", feature_hash="f")
        state = snapshot.loads(blob, key=b"secret", feature_hash="f")
        assert isinstance(state, dict)
        other.restore(state)
        rows, labels = stream(100, seed=1)
        for row, label in zip(rows, labels, strict=True):
            assert other.score(row) == model.score(row)
            other.learn(row, label)
            model.learn(row, label)

    def test_equal_runs_are_equal(self, recipe: Recipe) -> None:
        rows, _ = stream(50, seed=1)
        assert taught(recipe).score_many(rows).tolist() == taught(recipe).score_many(rows).tolist()

    def test_bad_values_and_one_class_alone_are_no_matter(self, recipe: Recipe) -> None:
        model = recipe.make()
        for value in (math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 0.0):
            row = np.full(4, value)
            model.learn(row, False)
            assert 0.0 <= model.score(row) <= 1.0
        model.learn(np.zeros(4), True)  # a class never seen before
        assert 0.0 <= model.score(np.zeros(4)) <= 1.0

    def test_contradicting_labels_end_near_the_middle(self, recipe: Recipe) -> None:
        model, row = recipe.make(), np.array([1.0, 2.0, 3.0, math.nan])
        for number in range(400):
            model.learn(row, number % 2 == 0)
        assert 0.2 < model.score(row) < 0.8

    def test_says_what_it_is(self, recipe: Recipe) -> None:
        description = taught(recipe).describe()
        assert description["model"]
        assert isinstance(description["linear"], bool)


@pytest.mark.parametrize("kind", [kind for kind in kinds() if Recipe(kind, FEATURES).make().describe()["linear"]])
def test_contributions_of_linear_models_add_up_to_the_difference_of_the_log_odds(kind: str) -> None:
    model = taught(Recipe(kind, FEATURES))
    rows, _ = stream(100, seed=2)
    baseline = np.array([4.0, 30.0, math.nan, 0.5])
    for row in rows:
        parts = model.contributions(row, baseline)
        difference = log_odds_of(model.score(row)) - log_odds_of(model.score(baseline))
        assert float(parts.sum()) == pytest.approx(difference, abs=1e-6)


@pytest.mark.parametrize("kind", ["blend", TREE])
def test_contributions_of_others_leave_one_feature_out(kind: str) -> None:
    model = taught(Recipe(kind, FEATURES), 600)
    row, baseline = np.array([9.0, 30.0, 500.0, math.nan]), np.array([1.0, 30.0, 400.0, math.nan])
    parts = model.contributions(row, baseline)
    without_depth = np.array([1.0, 30.0, 500.0, math.nan])
    assert parts[0] == pytest.approx(log_odds_of(model.score(row)) - log_odds_of(model.score(without_depth)))
    assert parts[0] > 1.0 > abs(parts[2])
    assert parts[1] == parts[3] == 0.0  # equal to the baseline


@pytest.mark.parametrize("kind", ["line", "blend", "logistic", TREE, "fast"])
def test_memory_is_bounded(kind: str) -> None:
    recipe, sizes = Recipe(kind, FEATURES), []
    model = recipe.make()
    for number, (row, label) in enumerate(zip(*stream(1_500), strict=True)):
        model.learn(row, label)
        if number % 250 == 249:
            sizes.append(len(pickle.dumps(model.snapshot())))
    assert sizes[-1] < 1.2 * max(sizes[1:4])


def test_a_heavier_label_counts_more() -> None:
    row = np.array([1.0, 1.0, 1.0, 1.0])
    for kind in ("line", "blend", "logistic", SCALED):
        light, heavy = Recipe(kind, FEATURES).make(), Recipe(kind, FEATURES).make()
        light.learn(row, True)
        heavy.learn(row, True, 5.0)
        assert 0.5 < light.score(row) < heavy.score(row), kind


def test_a_label_without_weight_teaches_a_tree_nothing() -> None:
    model = taught(Recipe("naive-bayes", FEATURES), 20)
    before = model.describe()["labels"]
    model.learn(np.zeros(4), True, 0.0)
    assert model.describe()["labels"] == before


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe("best", FEATURES), "no model 'best': expected one of line, blend"),
        (Recipe("line", FEATURES, {"depth": 2}), "model 'line' doesn't take parameters {'depth': 2}"),
        (Recipe("fast", FEATURES, {"waves": 2}), "takes no parameters"),
        (Recipe("anomaly.HalfSpaceTrees", FEATURES), "HalfSpaceTrees is no classifier"),
        (Recipe("linear_model.LinearRegression", FEATURES), "neither a classifier nor"),
        (Recipe("tree.HoeffdingTreeClassifier", FEATURES, {"depth": 2}), "doesn't take these parameters"),
    ],
    ids=lambda value: value.kind if isinstance(value, Recipe) else "",
)
def test_what_is_no_model_is_refused(recipe: Recipe, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe.make()


class BaseRate(RowModel):
    """What an extension might bring."""

    def __init__(self, features: tuple[str, ...], *, seed: int, prior: float = 1.0) -> None:
        self.features = features
        self.positives, self.labels = prior, 2.0 * prior

    def score(self, row: FloatArray) -> float:
        return self.positives / self.labels

    def learn(self, row: FloatArray, positive: bool, weight: float = 1.0) -> None:
        self.positives += weight * positive
        self.labels += weight


def no_model(features: tuple[str, ...], *, seed: int) -> object:
    return object()


def test_a_model_of_an_extension_is_known_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    def points(*, group: str) -> list[EntryPoint]:
        assert group == "ubi_stream.models"
        return [EntryPoint("base_rate", "mine:BaseRate", group), EntryPoint("broken", "mine:no_model", group)]

    def load(self: EntryPoint) -> Any:
        return {"base_rate": BaseRate, "broken": no_model}[self.name]

    monkeypatch.setattr(registry, "entry_points", points)
    monkeypatch.setattr(EntryPoint, "load", load)
    assert "base_rate" in kinds()
    model = Recipe("base_rate", FEATURES, {"prior": 3.0}).make()
    assert model.score(np.zeros(4)) == 0.5
    with pytest.raises(ConfigError, match="lacks a method of OnlineModel"):
        Recipe("broken", FEATURES).make()

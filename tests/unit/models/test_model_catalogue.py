"""Models by name: ours, and River's from an allow-list."""

from __future__ import annotations

import pytest
from river import datasets

from ubi_stream.errors import ConfigError
from ubi_stream.models.catalogue import MODELS, make_model
from ubi_stream.models.common.river_models import last_step, make_pipeline, task_of


@pytest.mark.parametrize("name", MODELS)
def test_every_model_of_the_list_answers_and_learns_words_and_missing_values(name: str) -> None:
    model = make_model(name)
    anomaly = task_of(model) == "anomaly"
    for i, (x, y) in enumerate(datasets.Phishing().take(40)):
        row = {**x, "shop": f"shop {i % 2}", "gap": None, "time": float(i), "value": float(i)}
        if anomaly:
            model.score_one(row)
            model.learn_one(row)
        else:
            model.predict_proba_one(row)
            model.learn_one(row, bool(y))


def test_steps_of_river_are_joined_with_their_parameters_and_the_seed() -> None:
    model = make_model("preprocessing.MinMaxScaler | anomaly.HalfSpaceTrees(n_trees=3)", seed=9)
    last = list(model.steps.values())[-1]
    assert (last.n_trees, last.seed) == (3, 9)
    assert task_of(model) == "anomaly"


def test_parts_of_a_model_are_made_in_the_same_way() -> None:
    text = "preprocessing.StandardScaler | ensemble.BaggingClassifier(tree.HoeffdingTreeClassifier(max_depth=4))"
    last = last_step(make_pipeline(text, {"n_models": 3}, seed=7))
    assert (last.n_models, last.model.max_depth, last.seed) == (3, 4, 7)
    fast = last_step(make_pipeline("linear_model.LogisticRegression", {"optimizer": "optim.SGD(0.25)"}))
    assert fast.optimizer.learning_rate == 0.25


def test_models_that_use_the_last_labels_can_be_told_that_labels_come_late() -> None:
    assert make_model("fast").at_once
    assert not make_model("fast", at_once=False).at_once


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("best", "no model 'best': expected one of fast"),
        ("os.system('true')", "River's module 'os' is not on the list"),
        ("os.system", "River's module 'os' is not on the list"),
        ("datasets.Phishing", "River's module 'datasets' is not on the list"),
        ("tree.base", "River has no estimator tree.base"),
        ("tree.NoSuchTree", "River has no estimator"),
        ("tree.HoeffdingTreeClassifier(depth=1)", "doesn't take these parameters"),
        ("tree.HoeffdingTreeClassifier(max_depth=__import__('os'))", "__import__.*can't be read"),
        ("tree.HoeffdingTreeClassifier(max_depth=[i for i in 'a'])", "parameters are numbers, words"),
        ("ensemble.BaggingClassifier(model=datasets.Phishing())", "River's module 'datasets' is not on the list"),
        ("optim.SGD(0.1)", "is a part of models, not a model"),
        ("preprocessing.StandardScaler |", "can't be read"),
        ("tree.A" + "(" * 500, "can't be read"),
        ("a.b.c", "can't be read"),
    ],
)
def test_nothing_else_is_made(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_model(name)


def test_a_scaler_alone_is_no_model() -> None:
    with pytest.raises(ConfigError, match="neither a classifier nor an anomaly detector"):
        task_of(make_model("preprocessing.StandardScaler"))

"""Candidates of packs, judged on any set."""

from __future__ import annotations

import numpy as np
import pytest

from ubi_stream.errors import ConfigError
from ubi_stream.evaluate.datasets import Dataset, load_dataset
from ubi_stream.evaluate.panel import PanelModel, make_registered, names, numeric_columns
from ubi_stream.evaluate.progressive import Example, progressive


def late(n: int = 400) -> Dataset:
    """Deep visits buy; the answer comes ten rows later."""
    depths = np.random.default_rng(0).random(n).tolist()
    examples = [
        Example({"depth": depth, "shop": "north"}, depth > 0.6, at_s=float(i), label_at_s=i + 10.0)
        for i, depth in enumerate(depths)
    ]
    return Dataset("late", "classification", examples)


@pytest.mark.parametrize("name", ["line", "blend", "ecommerce/buys_in_visit/tree", "ecommerce/buys_in_visit/panel"])
def test_a_registered_model_learns_a_set_with_late_labels(name: str) -> None:
    data = late()
    model = make_registered(name, numeric_columns(data))
    assert isinstance(model, PanelModel)
    run = progressive(data.examples, model, "classification").after(150)
    accuracy = run.metrics()["accuracy"]
    assert accuracy is not None
    assert accuracy > 0.8
    judged = model.panel.serving.quality.as_dict()["all_time"]
    assert judged["n"] is not None
    assert judged["n"] > 350  # what was said before is what it is judged by


def test_a_packs_own_features_come_in_the_packs_scale() -> None:
    data = load_dataset("phishing", limit=10)
    model = make_registered("payments/fraud/line", [*numeric_columns(data)])
    assert isinstance(model, PanelModel)
    assert model.features == tuple(numeric_columns(data))


def test_every_name_that_is_listed_can_be_made() -> None:
    for name in names():
        assert make_registered(name, ("a", "b")) is not None, name


def test_other_names_are_for_others_to_make() -> None:
    for name in ("fast", "logistic", "tree.HoeffdingTreeClassifier", "nothing"):
        assert make_registered(name, ("a",)) is None


@pytest.mark.parametrize("name", ["ecommerce/buys_in_visit/nobody", "ecommerce/rains/line"])
def test_a_candidate_that_a_pack_has_not_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match="has no candidate"):
        make_registered(name, ("a",))

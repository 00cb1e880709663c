"""A pack's anomaly ensemble, judged on a set: the detectors and voices of the worker's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ubi_stream.errors import ConfigError
from ubi_stream.evaluate.ensemble import PackEnsemble
from ubi_stream.evaluate.panel import make_registered
from ubi_stream.evaluate.progressive import Example, progressive
from ubi_stream.features.stage import Featurizer
from ubi_stream.models.anomaly.stage import AnomalyEnsemble
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.plan import compile_plan

VOICE = """
[[models.candidates]]
task = "anomaly"
name = "pace"
kind = "anomaly.HalfSpaceTrees"
parameters = { n_trees = 3 }
features = ["events_5m", "events_1h"]
budget_us = 5
"""


@pytest.fixture
def pack(tmp_path: Path) -> str:
    """A shop's pack with one voice more."""
    path = tmp_path / "voiced.toml"
    path.write_text(f'extends = "ecommerce"\n{VOICE}')
    return str(path)


def numbers(columns: tuple[str, ...], n: int = 600) -> list[dict[str, Any]]:
    """Rows around 3, the last of which is far out."""
    rows = np.random.default_rng(1).normal(3.0, 0.5, (n, len(columns)))
    rows[-1] = 300.0
    return [dict(zip(columns, map(float, row), strict=True)) for row in rows]


def test_on_the_packs_features_it_is_the_ensemble_of_a_worker(pack: str) -> None:
    plan = compile_plan(load_pack(pack), "user")
    featurizer = Featurizer(plan)
    names = featurizer.names
    worker = AnomalyEnsemble(plan, featurizer.features, seed=1)
    judged = PackEnsemble(pack, names, seed=1)
    assert judged.is_own
    assert judged.blend.features == worker.blend.features
    assert judged.blend.detectors == worker.blend.detectors
    assert judged.blend.custom_detectors["pace"].recipe == worker.blend.custom_detectors["pace"].recipe
    assert (judged.blend.trees, judged.blend.height, judged.blend.window) == (25, 8, 250)
    scores = judged.score_learn_many(numbers(names))
    assert judged.blend.n_seen == 600
    assert scores[-1] == scores.max() > 0.5


def test_on_another_set_it_sees_all_numbers_and_so_do_its_voices(pack: str) -> None:
    judged = PackEnsemble(pack, ("a", "b"), seed=1)
    assert not judged.is_own
    assert judged.blend.custom_detectors["pace"].recipe.features == ("a", "b")


@pytest.mark.parametrize("name", ["payments/anomalies", "ecommerce/anomalies"])
def test_it_finds_what_was_planted_however_the_rows_are_cut(name: str) -> None:
    examples = [Example(x, i == 599) for i, x in enumerate(numbers(("a", "b", "c")))]
    model, other = make_registered(name, ("a", "b", "c")), make_registered(name, ("a", "b", "c"))
    assert isinstance(model, PackEnsemble)
    assert isinstance(other, PackEnsemble)
    run = progressive(examples, model, model.task)
    assert run.metrics()["roc_auc"] == 1.0
    one_by_one = [float(other.score_learn_many([example.x])[0]) for example in examples]
    assert one_by_one == run.scores.tolist()


def test_a_pack_without_an_anomaly_model_has_none(tmp_path: Path) -> None:
    path = tmp_path / "plain.toml"
    about = 'name = "plain"\nversion = 1\ndescription = "no models"\n[events]\ntypes = ["view"]\n'
    path.write_text(f'{about}[[entities]]\nname = "user"\nfeatures = ["events_1h"]\n')
    with pytest.raises(ConfigError, match=r"has no \[models.anomaly\]"):
        make_registered(f"{path}/anomalies", ("a",))

"""What every ensemble must hold: same bits, purity, bad input, bounded memory, snapshots."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from river import datasets

from ubi_stream.models.anomaly.season import SeasonWatch
from ubi_stream.models.anomaly.tables import RankedAnomalies
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.snapshot import MAX_BYTES, dumps, loads
from ubi_stream.models.outcomes.fast import FastBlend

Make = Callable[[], Any]
KEY = b"a test's key"

MODELS = [
    pytest.param(FastBlend, id="fast"),
    pytest.param(lambda: FastBlend(at_once=False), id="fast-late"),
    pytest.param(RankedAnomalies, id="anomalies"),
    pytest.param(lambda: RankedAnomalies(trees=5), id="anomalies-trees"),
    pytest.param(SeasonWatch, id="season"),
]
BAD_VALUES = [math.nan, math.inf, -math.inf, 1e300, None, "a word", "another", True, [1], {"a": 1}]


def rows(n: int) -> Iterator[tuple[dict[str, Any], bool]]:
    """Phishing, with a time and a value for the watcher of series, and a word."""
    for i, (x, y) in enumerate(datasets.Phishing().take(n)):
        extra = {
            "time": i * 3_600.0,
            "value": float(i % 24) + x["age_of_domain"],
            "shop": "north" if i % 3 else "south",
        }
        yield {**x, **extra}, bool(y)


def ask(model: Any, x: dict[str, Any]) -> float:
    return float(model.predict_proba_one(x)[True] if hasattr(model, "predict_proba_one") else model.score_one(x))


def teach(model: Any, x: dict[str, Any], y: bool) -> None:
    if hasattr(model, "predict_proba_one"):
        model.learn_one(x, y)
    else:
        model.learn_one(x)


@pytest.mark.parametrize("make", MODELS)
def test_equal_runs_end_with_equal_bits_and_asking_changes_nothing(make: Make) -> None:
    asked, silent = make(), make()
    for x, y in rows(300):
        before = ask(asked, x)
        assert ask(asked, dict(reversed(x.items()))) == before
        teach(asked, x, y)
        teach(silent, x, y)
    assert digest(asked) == digest(silent)


@pytest.mark.parametrize("make", MODELS)
def test_a_snapshot_between_asking_and_learning_changes_no_bit(make: Make) -> None:
    model, restored = make(), make()
    for i, (x, y) in enumerate(rows(320)):
        assert ask(model, x) == ask(restored, x)
        if i in (40, 290):
            restored = loads(dumps(restored, key=KEY, feature_hash="f"), key=KEY, feature_hash="f")
        teach(model, x, y)
        teach(restored, x, y)
    assert digest(model) == digest(restored)


@pytest.mark.parametrize("make", MODELS)
def test_bad_values_are_missing_values(make: Make) -> None:
    model = make()
    for i, (x, y) in enumerate(rows(200)):
        names = list(x)
        row = x | {names[i % len(names)]: BAD_VALUES[i % len(BAD_VALUES)]}
        answer = ask(model, row)
        assert 0.0 <= answer <= 1.0
        teach(model, row, y)
    assert 0.0 <= ask(model, {}) <= 1.0
    assert 0.0 <= ask(model, dict.fromkeys(next(rows(1))[0])) <= 1.0


@pytest.mark.parametrize("make", MODELS)
def test_memory_is_bounded_when_every_row_brings_new_names_and_words(make: Make) -> None:
    model = make()
    sizes = []
    for i, (x, y) in enumerate(rows(900)):
        teach(model, {**x, f"new {i}": float(i), f"word {i}": f"text {i}", "shop": f"shop {i}"}, y)
        if i in (599, 899):
            sizes.append(len(pickle.dumps(model)))
    assert sizes[1] < 1.1 * sizes[0] + 20_000
    assert len(dumps(model, key=KEY, feature_hash="f")) < MAX_BYTES


@pytest.mark.parametrize("make", [MODELS[0], MODELS[1]])
def test_a_weight_counts_like_as_many_labels(make: Make) -> None:
    light, heavy = make(), make()
    for x, y in rows(60):
        light.learn_one(x, y, w=0.1)
        heavy.learn_one(x, y, w=1.0)
    sure = [abs(ask(model, x) - 0.5) for model in (light, heavy) for x, _ in [next(rows(1))]]
    assert sure[0] < sure[1]


def test_the_default_tier_beats_the_published_figure_on_phishing() -> None:
    model = FastBlend()
    hits = 0
    for x, y in datasets.Phishing():
        hits += model.predict_one(x) == y
        model.learn_one(x, y)
    assert hits / 1_250 > 0.9135


def test_labels_that_follow_each_other_are_used_only_where_they_come_at_once() -> None:
    def accuracy(at_once: bool) -> float:
        model = FastBlend(at_once=at_once)
        hits = 0
        for i in range(600):
            y = (i // 20) % 2 == 0  # nothing but the last label tells
            hits += (ask(model, {"noise": float(i * 7919 % 101)}) > 0.5) == y
            model.learn_one({"noise": float(i * 7919 % 101)}, y)
        return hits / 600

    assert accuracy(at_once=True) > 0.85
    assert accuracy(at_once=False) < 0.75

"""`ubi evaluate`."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

Ubi = Callable[..., Result]

PNG = b"\x89PNG\r\n\x1a\n"


def test_without_names_it_lists_what_there_is(ubi: Ubi) -> None:
    result = ubi("evaluate")
    assert result.exit_code == 0
    assert "phishing" in result.stdout
    assert "fast" in result.stdout


def test_a_named_set_gives_one_object_with_every_metric_and_the_price(ubi: Ubi) -> None:
    result = ubi("evaluate", "--dataset", "phishing", "--model", "logistic", "--json")
    figures = json.loads(result.stdout)
    assert figures["accuracy"] == pytest.approx(0.8872)
    assert figures["task"] == "classification"
    assert figures["us_per_event"] > 0
    assert {"log_loss", "brier", "roc_auc", "average_precision", "f1", "calibration_error"} <= set(figures)
    assert {"majority_accuracy", "last_class_accuracy"} <= set(figures)


def test_a_table_for_people(ubi: Ubi) -> None:
    result = ubi("evaluate", "-d", "phishing", "--model", "naive-bayes", "--limit", "100")
    assert "ROC-AUC" in result.stdout
    assert "µs per example" in result.stdout


def test_a_file_of_ones_own_with_late_labels(ubi: Ubi, tmp_path: Path) -> None:
    rows = "\n".join(f"{i * 10},{i % 7},{'yes' if i % 7 > 3 else 'no'}" for i in range(300))
    (tmp_path / "visits.csv").write_text(f"when,depth,bought\n{rows}\n")
    arguments = ("--label", "bought", "--positive", "yes", "--features", "depth", "--json")
    late = ("--delay", "500", "--time", "when")
    result = ubi("evaluate", "-d", "visits.csv", "--model", "fast", *arguments, *late, "--warm-up", "60")
    figures = json.loads(result.stdout)
    assert figures["n"] == 300 - 109  # row i is scored after the labels of rows 0 to i - 50
    assert figures["accuracy"] > 0.95


@pytest.mark.parametrize("model", ["anomalies", "ecommerce/anomalies"])
def test_a_detector_needs_the_label_only_to_be_judged(ubi: Ubi, tmp_path: Path, model: str) -> None:
    rows = "\n".join(f"{90 if i % 100 == 99 else i % 5},{int(i % 100 == 99)}" for i in range(400))
    (tmp_path / "load.csv").write_text(f"load,odd\n{rows}\n")
    result = ubi("evaluate", "-d", "load.csv", "--model", model, "--label", "odd", "--json")
    figures = json.loads(result.stdout)
    assert figures["task"] == "anomaly"
    assert figures["positives"] == 4


def choices(folder: Path) -> None:
    """200 choices between two arms, of which b is the better one; a sixth column is the context."""
    lines = [f"{'ab'[n % 2]},{0.5},{int(n % 2 == 1 or n % 10 == 0)},{n % 7}" for n in range(200)]
    (folder / "choices.csv").write_text("arm,propensity,reward,depth\n" + "\n".join(lines) + "\n")


def test_ways_of_choosing_are_judged_by_a_log(ubi: Ubi, tmp_path: Path) -> None:
    choices(tmp_path)
    figures = json.loads(ubi("evaluate", "--bandit", "choices.csv", "--json").stdout)
    assert set(figures) == {"EpsilonGreedy", "UCB", "BayesUCB", "ThompsonSampling", "LinUCBDisjoint"}
    judged = figures["ThompsonSampling"]
    assert judged["logged"]["value"] == pytest.approx(0.6)
    assert judged["best_arm"] == "b"
    assert judged["ips"]["low"] < judged["ips"]["value"] < judged["ips"]["high"]


def test_a_table_of_one_way_of_choosing(ubi: Ubi, tmp_path: Path) -> None:
    choices(tmp_path)
    shown = ubi("evaluate", "--bandit", "choices.csv", "--model", "UCB").stdout
    assert "UCB, replay" in shown
    assert "always b (best by hindsight)" in shown
    assert "ThompsonSampling" not in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bandit", "nothing.csv"), "nothing.csv can't be read"),
        (("-d", "nothing.csv", "--model", "fast"), "a file needs --label"),
        (("-d", "nothing.csv", "--model", "fast", "--label", "y"), "nothing.csv can't be read"),
        (("-d", "phishing", "--model", "anomalies"), "phishing is for classification, anomalies is for anomaly"),
        (("-d", "phishing", "--model", "fast", "--label", "y"), "go with a file only"),
    ],
)
def test_what_is_wrong_is_one_sentence(ubi: Ubi, arguments: tuple[str, ...], message: str) -> None:
    result = ubi("evaluate", *arguments)
    assert result.exit_code == 64
    assert message in result.stderr.replace("\n", " ")


def test_a_learning_curve_is_a_png(ubi: Ubi, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    result = ubi("evaluate", "-d", "phishing", "--model", "logistic", "--limit", "200", "--plot", "curve.png")
    assert result.exit_code == 0
    assert (tmp_path / "curve.png").read_bytes().startswith(PNG)


def test_without_matplotlib_it_says_so_before_the_run(ubi: Ubi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("ubi_stream.evaluate.plot.find_spec", lambda name: None)
    result = ubi("evaluate", "-d", "phishing", "--model", "fast", "--plot", "curve.png")
    assert result.exit_code == 64
    assert "ubi-stream[plots]" in result.stderr

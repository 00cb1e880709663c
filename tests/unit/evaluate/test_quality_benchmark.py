"""The benchmark's page, on the first rows of each set."""

from __future__ import annotations

import pytest

from benchmarks import quality
from benchmarks.quality_goals import TARGETS, Target
from support.public_data import public_file
from ubi_stream.evaluate.datasets import load_dataset
from ubi_stream.evaluate.metrics import roc_auc
from ubi_stream.evaluate.progressive import progressive
from ubi_stream.models.catalogue import make_model


def test_the_quick_page_has_every_table_and_no_goal_is_called_reached_by_mistake(
    capsys: pytest.CaptureFixture[str],
) -> None:
    quality.main(["--quick", "--data", str(public_file("elec2.csv.gz").parent)])
    page = capsys.readouterr().out
    for heading in ("River's own figures", "## Ours", "### Over seeds", "NAB", "REES46"):
        assert heading in page
    for dataset in TARGETS:
        assert f"| {dataset} |" in page


def test_a_goal_that_is_a_published_figure_must_be_passed() -> None:
    above = Target("accuracy", 0.9135, "somebody", 0.9135)
    assert not above.reached(0.9135)
    assert above.reached(0.9136)
    assert Target("accuracy", 0.8894, "somebody", 0.885).reached(0.885)
    assert Target("calibration_error", float("nan"), "", 0.03, at_most=True).reached(0.03)
    assert not above.reached(float("nan"))


@pytest.mark.parametrize(("metric", "published"), [("accuracy", 0.8872), ("f1", 0.8712)])
def test_the_harness_reproduces_rivers_logistic_regression_on_phishing(metric: str, published: float) -> None:
    data = load_dataset("phishing")
    run = progressive(data.examples, make_model("logistic"), data.task)
    assert run.metrics()[metric] == pytest.approx(published, abs=0.00005)


def test_the_harness_reproduces_rivers_half_space_trees_on_shuttle() -> None:
    data = load_dataset("shuttle")
    run = progressive(data.examples, make_model("half-space", quality.RIVERS_SEED), data.task)
    assert roc_auc(run.scores, run.outcomes) == pytest.approx(0.9007, abs=0.00005)

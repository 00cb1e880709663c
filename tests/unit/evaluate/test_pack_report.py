"""The report on a pack: what it counts, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from support.shop_file import write_shop_file
from ubi_stream.clock import SystemClock
from ubi_stream.data.source import ReplaySource
from ubi_stream.evaluate.pack_page import pack_page
from ubi_stream.evaluate.pack_report import CalibrationBin, DriftLine, PackReport, as_document, judge_pack
from ubi_stream.metrics.status import ModelReport
from ubi_stream.models.outcomes.quality import QualitySums
from ubi_stream.packs.loader import load_pack
from ubi_stream.settings import Settings


def test_a_file_is_judged_as_a_worker_would_be(tmp_path: Path) -> None:
    file = write_shop_file(tmp_path / "shop.csv", events=90, users=3)
    with ReplaySource(file, "rees46") as source:
        report = judge_pack(
            source, "shop.csv", pack=load_pack("ecommerce"), settings=Settings(partitions=2), clock=SystemClock()
        )
    assert report.events == 90
    assert {one.outcome for one in report.outcomes} == {"buys_in_visit", "returns_within_week"}
    assert [one.entity for one in report.anomalies] == ["user"]
    assert report.anomalies[0].expected_rate == 0.005
    document = msgspec.json.decode(msgspec.json.encode(as_document(report)))
    assert document["pack"] == "ecommerce"
    assert "<h2>Outcomes</h2>" in pack_page(report)


def test_the_page_shows_each_figure_and_escapes_what_is_not_ours() -> None:
    metrics: dict[str, float | int | None] = {"n": 120, "positives": 30, "roc_auc": 0.8125, "log_loss": None}
    report = PackReport("<file>.csv", "shop", 1_234)
    report.outcomes = [ModelReport("user", None, "line", 120, True, "buys", 1, {"all_time": metrics})]
    report.calibration = {"buys": [CalibrationBin(100, 0.1, 0.12), CalibrationBin(20, 0.8, 0.75)]}
    report.drifts = [DriftLine(86_400_000, "high", "carts < usual")]
    report.segments["at_risk"] = 7
    report.insights_by_day[1, "drift"] = 1
    page = pack_page(report)
    assert "<file>" not in page
    assert "&lt;file&gt;.csv" in page
    for text in ("line (serves)", "0.812", "not known", "1970-01-02 00:00", "carts &lt; usual", "at_risk", "1 drift"):
        assert text in page
    assert page.count("<circle") == 2


def test_calibration_bins_are_those_of_the_predictions() -> None:
    rng, sums = np.random.default_rng(1), QualitySums()
    probabilities = rng.random(500)
    outcomes = rng.random(500) < probabilities
    for probability, outcome in zip(probabilities.tolist(), outcomes.tolist(), strict=True):
        sums.add(probability, outcome, None, 0.0)
    n, predicted, observed = sums.calibration_bins()
    exact = np.bincount((probabilities * 10).astype(int), minlength=10)
    assert n.sum() == 500
    assert np.abs(n - exact).max() <= 5  # the ranks divide the tenths to a few thousandths
    assert np.abs(predicted - sums.confidence).max() < 3.0
    assert observed.sum() == outcomes.sum()

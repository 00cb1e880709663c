"""A pack's further voices, drift detectors and forecasters, through the pipeline."""

from __future__ import annotations

import functools
from collections import defaultdict
from typing import Any

import pytest

from support.folding import Runner
from support.probe import FURTHER_MODELS, probe_pack, record
from support.streams import Stream
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.metrics.reports import reports_of
from ubi_stream.models.common.quantile import OnlineQuantile
from ubi_stream.models.common.snapshot import dumps
from ubi_stream.packs.schema import Pack

VOICES = ("loda", "trees_of_river", "one_figure")


def pack() -> Pack:
    drift = "[models.drift]\nblock = 20\nwarm_up_h = 0\nmin_blocks = 5\ncool_down_min = 0\n"
    return probe_pack(("[models.change]", f"{drift}\n{FURTHER_MODELS}\n[models.change]"))


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ubi_stream.models.anomaly.stage.OnlineQuantile", functools.partial(OnlineQuantile, block=20))
    monkeypatch.setattr("ubi_stream.models.anomaly.ensemble.LESSON", 20)


def played(runner: Runner, seed: int, count: int = 400) -> list[Insight]:
    stream = [part for part in Stream(seed, days=20).contents(count) if b"$label" not in (part[1] or b"")]
    return runner.run_records([record(v, n, key=k, timestamp_ms=ms) for n, (k, v, ms) in enumerate(stream)]).insights


@pytest.mark.usefixtures("_quick")
def test_each_is_heard_and_named_in_the_evidence() -> None:
    evidence: defaultdict[InsightKind, list[dict[str, Any]]] = defaultdict(list)
    runner = Runner(pack())
    for seed in range(12):
        runner = Runner(pack())
        for insight in played(runner, seed):
            evidence[insight.kind].append(dict(insight.evidence))
    detectors = {name for delivered in evidence[InsightKind.ANOMALY] for name in delivered["detectors"]}
    assert detectors & set(VOICES)
    drifts = {(delivered["subject"], delivered["detector"]) for delivered in evidence[InsightKind.DRIFT]}
    assert {("feature", "steps"), ("loss", "worse")} <= drifts
    reports = {report.model: report for report in reports_of([("user", 0, runner.partition.models)])}
    assert all(reports[f"anomaly/{name}"].n_seen > 0 for name in VOICES)
    assert reports["anomaly/trees_of_river"].n_seen < reports["anomaly/loda"].n_seen * 0.7
    assert reports["drift/steps/events_1h"].n_seen > 5
    assert reports["drift/worse/buys_in_visit"].n_seen > 5


@pytest.mark.usefixtures("_quick")
def test_memory_is_bounded() -> None:
    sizes = []
    runner = Runner(pack())
    for seed in range(6):
        played(runner, seed, 500)
        anomaly, drift = runner.partition.models.anomaly, runner.partition.models.drift
        assert anomaly is not None
        assert drift is not None
        panel = runner.partition.models.outcomes.panels["buys_in_visit"]
        further = (anomaly.blend.custom_detectors, drift.watch.further, panel.watches)
        sizes.append(len(dumps(further, key=b"key", feature_hash="")))
        assert all(len(custom_detector._kept) <= 20 for custom_detector in anomaly.blend.custom_detectors.values())
    assert max(sizes[3:]) < 1.1 * sizes[2]


@pytest.mark.usefixtures("_quick")
def test_one_in_is_never_more_optimistic_than_the_rate_asked_for() -> None:
    insights = [insight for seed in range(6) for insight in played(Runner(pack()), seed)]
    delivered: list[dict[str, Any]] = [dict(one.evidence) for one in insights if one.kind is InsightKind.ANOMALY]
    rare = [evidence["one_in"] for evidence in delivered]
    assert min(rare) >= 6  # alert_rate is 0.1, and 30 scores are the first to be compared with
    assert max(rare) <= 12 * 400

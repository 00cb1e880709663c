"""The dashboard asks for metrics and labels that a worker has, and its file is what the code makes."""

from __future__ import annotations

import re
from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families

from tools.dashboard import WIDTH, dashboard, render
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.metrics.status import Lag, ModelReport
from ubi_stream.packs.loader import load_pack
from ubi_stream.resources import config_dir

PANELS = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
NAME = re.compile(r"\b((?:ubi|process)_[a-z0-9_]+)\b")
OF_PROMETHEUS = {"instance", "job"}


def exported() -> dict[str, set[str]]:
    """Labels by name of all series that a worker can have."""
    metrics = Metrics(load_pack("ecommerce"))
    metrics.set_lag([Lag("ubi.events", 0, 1)])
    window: dict[str, float | int | None] = {"n": 1, "log_loss": 0.5}
    quality = {"window": window}
    metrics.set_models([ModelReport("user", place, "line", 1, True, "buys", quality=quality) for place in (0, None)])
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(metrics.render()[0].decode()):
        for sample in family.samples:
            labels[sample.name] |= sample.labels.keys()
    return labels


def test_every_metric_of_the_dashboard_is_one_that_a_worker_has() -> None:
    used = {name for expression in EXPRESSIONS for name in NAME.findall(expression)}
    assert len(used) > 20
    assert used - exported().keys() == set()


def test_every_label_of_the_dashboard_is_one_of_its_metric() -> None:
    known = exported()
    for panel in PANELS:
        for target in panel["targets"]:
            there = set.union(*(known[name] for name in NAME.findall(target["expr"]))) | OF_PROMETHEUS
            grouped = {label for found in re.findall(r"by \(([^)]*)\)", target["expr"]) for label in found.split(", ")}
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            chosen = set(re.findall(r"[{,](\w+)=", target["expr"]))
            assert grouped | shown | chosen <= there, panel["title"]
            if "sum" in target["expr"] or "avg" in target["expr"]:
                assert shown <= grouped, f"{panel['title']}: what is summed up has no such label"


def test_panels_have_places_of_their_own_and_ids() -> None:
    cells = [
        (panel["gridPos"]["x"] + right, panel["gridPos"]["y"] + down)
        for panel in dashboard()["panels"]
        for right in range(panel["gridPos"]["w"])
        for down in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < WIDTH
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


def test_the_file_is_what_the_code_makes() -> None:
    file = config_dir() / "dashboards" / "ubi.json"
    assert file.read_text(encoding="utf-8") == render(), "python -m tools.dashboard > config/dashboards/ubi.json"

"""The alert rules name metrics that a worker has, and each alert has a paragraph in the runbook."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from ubi_stream.packs.loader import load_pack
from ubi_stream.resources import config_dir
from ubi_stream.runtime.metrics import Metrics

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((config_dir() / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
NAME = re.compile(r"\b((?:ubi|process)_[a-z0-9_]+)\b")


def test_alerts_name_metrics_that_there_are() -> None:
    text, _ = Metrics(load_pack("ecommerce")).render()
    exported = {sample.name for family in text_string_to_metric_families(text.decode()) for sample in family.samples}
    used = {name for alert in ALERTS for name in NAME.findall(alert["expr"])}
    labelled_later = {"ubi_lag_events"}  # one series for each partition that the worker has
    assert used - exported == labelled_later


def test_each_alert_has_a_paragraph_in_the_runbook() -> None:
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == [alert["alert"] for alert in ALERTS]

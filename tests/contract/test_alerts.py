"""The alert rules fire when they should and only then; they name metrics that a worker has, and a paragraph each."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from support.alert_timelines import TIMELINES, Timeline
from support.promtool import promtool
from ubi_stream.metrics.metrics import Metrics
from ubi_stream.packs.loader import load_pack
from ubi_stream.resources import config_dir

ROOT = Path(__file__).parents[2]
RULES_FILE = config_dir() / "prometheus" / "alerts.yml"
RULES = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))
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
    assert [alert["annotations"]["runbook_url"] for alert in ALERTS] == [
        f"docs/operations.md#{name.lower()}" for name in headings
    ]


def test_each_alert_says_what_is_and_what_to_look_at() -> None:
    for alert in ALERTS:
        assert alert["annotations"].keys() == {"summary", "description", "runbook_url"}, alert["alert"]


def test_each_alert_has_a_timeline_on_which_it_fires_and_one_on_which_it_is_silent() -> None:
    assert list(TIMELINES) == [alert["alert"] for alert in ALERTS]
    for name, timelines in TIMELINES.items():
        assert {fires is None for _, _, fires, _ in timelines} == {True, False}, name


def test_an_alert_speaks_of_labels_that_it_has() -> None:
    for alert in ALERTS:
        used = set(re.findall(r"\$labels\.(\w+)", str(alert["annotations"])))
        for _, _, fires, _ in TIMELINES[alert["alert"]]:
            if fires is not None:
                assert used <= set(re.findall(r"(\w+)=", fires)), alert["alert"]


@pytest.mark.parametrize(
    ("alert", "timeline"),
    [
        pytest.param(name, timeline, id=f"{name}: {timeline[0]}")
        for name, lines in TIMELINES.items()
        for timeline in lines
    ],
)
def test_an_alert_fires_when_it_should_and_only_then(alert: str, timeline: Timeline, tmp_path: Path) -> None:
    (rule,) = (rule for rule in ALERTS if rule["alert"] == alert)
    _, at, fires, series = timeline
    expected = []
    if fires is not None:
        labels = ",".join(filter(None, (f'alertname="{alert}",alertstate="firing"', fires, _written(rule["labels"]))))
        expected = [{"labels": f"ALERTS{{{labels}}}", "value": 1}]
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'ALERTS{{alertname="{alert}",alertstate="firing"}}',
                "eval_time": at,
                "exp_samples": expected,
            }
        ],
    }
    file = tmp_path / "alerts.test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES_FILE)], "evaluation_interval": "30s", "tests": [test]}))
    done = subprocess.run([promtool(), "test", "rules", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def _written(labels: dict[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())

"""The page about concepts tells what its file of events gives."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ubi_stream.cli.main import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
DAY = ROOT / "docs" / "examples" / "day.jsonl"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[dict[str, object]]]:
    """What the command prints, and the insights that it writes."""
    out = tmp_path_factory.mktemp("day") / "insights.jsonl"
    run = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["replay", str(DAY), "--offline", "--out", str(out)])
    assert run.exit_code == 0, run.output
    return run.output, [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_the_account_is_that_of_the_page(day: tuple[str, list[dict[str, object]]]) -> None:
    printed = re.sub(r" in [\d.,]+ s \([\d.,]+/s\)", "", day[0])
    for line in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[0].splitlines():
        assert line in printed


def test_its_insight_is_that_of_the_page(day: tuple[str, list[dict[str, object]]]) -> None:
    (insight,) = day[1]
    data = insight["data"]
    assert isinstance(data, dict)
    shown = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[1]
    assert shown == "{at}  {severity}  {kind}  {user_id}\n".format_map(data) + data["explanation"]["summary"] + "\n"
    assert f"`{str(insight['id'])[:8]}-…`" in PAGE
    for claim in data["evidence"]["claims"]:
        assert f"`{claim['feature']} {claim['op']} {claim['bound']:g}`" in PAGE
        assert f"`{claim['feature']}` is {claim['value']:.3g}" in " ".join(PAGE.split())


def test_the_event_shown_is_the_first_of_the_file() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert json.loads(shown) == json.loads(DAY.read_text(encoding="utf-8").splitlines()[0])

"""The tutorial, done as it is written: its files are made, its commands run, and what they print is what it shows."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ubi_stream.cli.main import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
ROWS = (ROOT / "docs" / "examples" / "lessons.csv").read_text(encoding="utf-8")
STEPS = re.findall(r"```(\w+)(?: ([^\n]*))?\n(.*?)```", PAGE, re.DOTALL)


def test_the_steps_give_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    printed, compared = "", 0
    for language, title, block in STEPS:
        if language == "toml":
            (tmp_path / title.removeprefix('title="').removesuffix('"')).write_text(block, encoding="utf-8")
        elif language == "sh" and not title:
            printed = "".join(_run(line, tmp_path) for line in block.splitlines())
        elif language == "text":
            shown = re.sub(r"\s+", " ", block)
            assert shown in _plain(printed) or shown in _plain(_insights(tmp_path)) or shown in _plain(ROWS)
            compared += 1
    assert compared == 4


def _run(line: str, folder: Path) -> str:
    words = shlex.split(line)
    if words[0] == "cp":
        (folder / words[2]).write_bytes((ROOT / words[1]).read_bytes())
        return ""
    assert words[0] == "ubi"
    run = CliRunner(env={"COLUMNS": "200"}).invoke(app, words[1:])
    assert run.exit_code == 0, f"{line}\n{run.output}"
    return run.output


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r" in [\d.,]+ s \([\d.,]+/s\)", "", text)) + " "


def _insights(folder: Path) -> str:
    path = folder / "insights.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return "\n".join(json.loads(line)["data"]["explanation"]["summary"] for line in lines)

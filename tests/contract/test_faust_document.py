"""`docs/faust.md` names tests, files and scenarios that are there; and Faust is the version that it speaks of."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import faust
import pytest

from benchmarks.faults.scenarios import FULL, SOAK
from ubi_stream.runtime.app import _faust_settings
from ubi_stream.settings import Settings

_ROOT = Path(__file__).resolve().parents[2]
_PAGE = (_ROOT / "docs" / "faust.md").read_text(encoding="utf-8")
_ROWS = {
    cells[0]: cells
    for cells in (line.strip("| ").split(" | ") for line in _PAGE.splitlines())
    if cells[0][:1].isdigit()
}


def test_every_place_where_faust_hurts_has_its_row() -> None:
    assert set(_ROWS) == {*map(str, range(1, 36)), "1b", "2b"}


@pytest.mark.parametrize("row", _ROWS)
def test_each_row_names_a_test_or_scenario_that_is_there(row: str) -> None:
    named = re.findall(r"`(test_\w+(?:\.py)?)`", _ROWS[row][-1])
    scenarios = re.findall(r"\*([^*]+)\*", _ROWS[row][-1])
    assert named or scenarios or _ROWS[row][-1] in ("the same", "all of these")
    there = "".join(path.name + path.read_text(encoding="utf-8") for path in (_ROOT / "tests").rglob("test_*.py"))
    assert [name for name in named if not re.search(rf"(def )?{re.escape(name)}\b", there)] == []
    assert set(scenarios) <= {SOAK, *(scenario.name for scenario in FULL)}


def test_files_that_are_named_are_there() -> None:
    named = set(re.findall(r"`((?:\w+/)+\w+\.py|\w+\.py)`", "".join(cells[3] for cells in _ROWS.values())))
    assert [name for name in named if not (_ROOT / "ubi_stream" / name).is_file()] == []


def test_comments_name_rows_that_are_there() -> None:
    for path in (_ROOT / "ubi_stream").rglob("*.py"):
        for numbers in re.findall(r"faust\.md`, rows? ([0-9b]+(?: and [0-9b]+)*)", path.read_text(encoding="utf-8")):
            assert set(numbers.split(" and ")) <= set(_ROWS), path


def test_the_version_is_the_pinned_one() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    installed = version("faust-streaming")
    assert f"faust-streaming=={installed}" in project["dependencies"]
    assert f"faust-streaming {installed}, pinned" in _PAGE


def test_the_settings_of_faust_are_those_that_lose_nothing() -> None:
    conf = faust.App("settings", **_faust_settings(Settings(_env_file=None))).conf
    assert conf.processing_guarantee.value == "at_least_once"
    assert (conf.web_enabled, conf.table_standby_replicas, conf.producer_threaded) == (False, 0, False)
    assert (conf.topic_allow_declare, conf.topic_disable_leader) == (False, True)
    assert conf.consumer_auto_offset_reset == "earliest"
    assert str(conf.store) == "memory:"
    for path in (_ROOT / "tables").glob("*.py"):
        assert not re.search(r"GlobalTable|SetTable|tumbling|hopping", path.read_text(encoding="utf-8")), path

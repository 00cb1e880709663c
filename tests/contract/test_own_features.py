"""The documented example of a feature of one's own, installed as anybody would install it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from support.folding import Runner
from support.probe import HOUR_MS, START_MS, event, probe_pack
from ubi_stream.errors import ConfigError
from ubi_stream.features import registry
from ubi_stream.features.dry_run import try_features
from ubi_stream.features.registry import Extractor, Feature, all_features, shipped_features
from ubi_stream.packs.plan import Plan, compile_plan
from ubi_stream.state.model import UserState

PAGE = (Path(__file__).parents[2] / "docs" / "features.md").read_text(encoding="utf-8")
(PYTHON,), (PROJECT,) = (re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("python", "toml"))
LEAST = """
name = "least"
version = 1
description = "One feature of our own"
[events]
types = ["view"]
[[entities]]
name = "user"
features = ["evening_share"]
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example installed by pip."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (source / "our_features.py").write_text(PYTHON)
    (source / "pyproject.toml").write_text(PROJECT)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, capture_output=True, timeout=120)
    return target


def check(pack: Path, *paths: Path, verb: str = "check") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "COLUMNS": "200"}
    command = [sys.executable, "-m", "ubi_stream.cli.main", "pack", verb, str(pack)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_example_has_20_lines() -> None:
    assert len([line for line in PYTHON.splitlines() if line]) <= 20


def test_a_pack_may_list_it_once_it_is_installed(installed: Path, tmp_path: Path) -> None:
    pack = tmp_path / "least.toml"
    pack.write_text(LEAST)
    without = check(pack, Path.cwd())
    assert without.returncode == 64
    assert "no feature 'evening_share'" in without.stderr.replace("\n", " ")
    found = check(pack, Path.cwd(), installed)
    assert found.returncode == 0, found.stderr
    assert "evening_share" in check(pack, Path.cwd(), installed, verb="show").stdout


@pytest.mark.usefixtures("own_registry")
def test_it_is_extracted_like_any_other(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(installed))
    pack = probe_pack(('"amount_z", "burstiness",', '"amount_z", "burstiness", "evening_share",'))
    events = [event("u", START_MS + hour * HOUR_MS // 10) for hour in (100, 110, 120, 190, 200, 205)]
    rows = Runner(pack).run(*events).features
    # hours    10 11 12 19 20 20
    assert [row.features["evening_share"] for row in rows] == [None] * 4 + [pytest.approx(2 / 5), pytest.approx(1 / 2)]
    assert "evening_share" in all_features()
    assert "evening_share" not in shipped_features()


def test_an_extension_that_can_not_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("theirs", "no_such_module_of_theirs", registry.EXTENSIONS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    with pytest.raises(ConfigError, match=r"extension 'theirs' of an unknown package \(module no_such.*ModuleNotFound"):
        all_features()


class TestDryRun:
    plan = compile_plan(probe_pack(), "user")

    def tried(self, extract: Extractor) -> None:
        try_features((Feature("mine", "things", 0, 1, "Things that are mine", extract),), self.plan)

    def test_shipped_ones_pass_with_both_kinds_of_windows(self) -> None:
        for entity in ("user", "shop"):
            plan = compile_plan(probe_pack(), entity)
            try_features(tuple(found for found in all_features().values() if found.windows != _other(plan)), plan)

    def test_one_that_raises_is_told(self) -> None:
        with pytest.raises(ConfigError, match="feature 'mine' raises ZeroDivisionError"):
            self.tried(lambda state, at_ms, plan: 1 / state.events)

    def test_one_that_raises_only_later_is_told_too(self) -> None:
        with pytest.raises(ConfigError, match="feature 'mine' raises KeyError: 'c'"):
            self.tried(lambda state, at_ms, plan: float(state.events and state.categories["c"]))

    def test_what_is_no_number_is_told(self) -> None:
        with pytest.raises(ConfigError, match="returns 'many'; expected a number, or MISSING"):
            self.tried(lambda state, at_ms, plan: "many")  # type: ignore[arg-type,return-value]  # the mistake

    def test_one_that_depends_on_more_than_the_state_is_told(self) -> None:
        asked: list[int] = []

        def counts(state: UserState, at_ms: int, plan: Plan) -> float:
            asked.append(at_ms)
            return float(len(asked))

        with pytest.raises(ConfigError, match=r"returns 1\.0, then 2\.0 for the same state"):
            self.tried(counts)


def _other(plan: Plan) -> str:
    return "paned" if plan.exact else "exact"

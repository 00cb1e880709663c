"""The built wheel: what it installs, and that each of its extras goes with the locked packages."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = sorted(
    set(PROJECT["optional-dependencies"]) - {"bench"}
)  # those of `bench` are in an environment of their own
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def _run(command: list[str], **variables: str) -> str:
    """Runs a command outside the repository, without its tree on Python's path."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    done = subprocess.run(command, cwd="/", env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run([*_PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", f"--wheel-dir={folder}", str(ROOT)])
    (built,) = folder.glob("ubi_stream-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    _run([*_PIP, "install", "--no-deps", "--no-index", "--no-compile", f"--target={folder}", str(wheel)])
    return folder


def test_the_wheel_carries_the_package_and_the_shipped_configuration(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "ubi_stream/py.typed" in names
    shipped = {path.relative_to(ROOT / "config") for path in (ROOT / "config").rglob("*") if path.is_file()}
    assert shipped
    assert {f"ubi_stream/_config/{path.as_posix()}" for path in shipped} <= names


def test_the_wheel_takes_no_name_that_other_projects_use(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"ubi_stream"}


def test_the_installed_wheel_runs_without_the_repository(installed: Path) -> None:
    code = "import ubi_stream, ubi_stream.worker, ubi_stream.cli.main; print(ubi_stream.__file__)"
    assert _run([sys.executable, "-c", code], PYTHONPATH=str(installed)).startswith(str(installed))


def test_all_extras_of_the_wheel_go_with_the_locked_packages(wheel: Path) -> None:
    """Nothing is fetched: what is installed must do."""
    plan = _run([*_PIP, "install", "--dry-run", "--no-index", f"{wheel}[{','.join(EXTRAS)}]"])
    assert "does not provide the extra" not in plan
    assert plan.splitlines()[-1].split() == [
        "Would",
        "install",
        wheel.name.removesuffix("-py3-none-any.whl").replace("_", "-"),
    ]

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support import leftovers
from support.leftovers import Surroundings, tasks_left


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "_GRACE_S", 0.0)


def test_a_thread_left_behind_is_named() -> None:
    before, done = Surroundings(), threading.Event()
    thread = threading.Thread(target=done.wait, name="forgotten")
    thread.start()
    assert before.leftovers(frozenset()) == ["thread forgotten still runs"]
    done.set()
    thread.join()
    assert before.leftovers(frozenset()) == []


def test_a_process_left_behind_is_named_unless_allowed() -> None:
    before = Surroundings()
    with subprocess.Popen(["sleep", "60"]) as process:
        (found,) = before.leftovers(frozenset())
        assert found.startswith(f"process {process.pid} (")
        assert before.leftovers(frozenset({process.pid})) == []
        process.kill()
    assert before.leftovers(frozenset()) == []


def test_a_changed_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Surroundings()
    monkeypatch.setenv("UBI_FORGOTTEN", "1")
    assert before.leftovers(frozenset()) == ["environment variable UBI_FORGOTTEN was changed"]


async def test_a_task_left_behind_is_named() -> None:
    assert tasks_left() == []
    task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
    (found,) = tasks_left()
    assert found.startswith("task forgotten still runs")
    task.cancel()


LEAKS = """
import asyncio, os, subprocess, threading

never = threading.Event()

def test_thread():
    threading.Timer(3, never.set).start()

def test_process():
    test_process.left = subprocess.Popen(["sleep", "3"])

def test_environment():
    os.environ["UBI_FORGOTTEN"] = "1"

async def test_task():
    asyncio.create_task(asyncio.sleep(60))

async def test_clean():
    await asyncio.to_thread(int)
"""


def test_the_suites_own_fixtures_fail_tests_that_leave_something(tmp_path: Path) -> None:
    tests = Path(__file__).parents[2]
    shutil.copy(tests / "conftest.py", tmp_path)
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    options = ["-c", str(tests.parent / "pyproject.toml"), "--rootdir", str(tmp_path), "-o", f"pythonpath={tests}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"},  # or the summary's lines are cut
        capture_output=True,
        text=True,
        timeout=60,
    )
    for left in ("thread", "process", "environment", "task"):
        assert f"ERROR test_leaks.py::test_{left} - Failed: the test left behind: {left} " in done.stdout
    assert "5 passed, 4 errors" in done.stdout

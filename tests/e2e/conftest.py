"""Runs `ubi` as a person does: as a process of its own, away from their environment and `.env` file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars  # noqa: F401 - its import sets an environment variable: here, not within a test
import pytest

from support.shop_file import write_shop_file

COMMAND = [sys.executable, "-m", "ubi_stream.cli.main"]

Start = Callable[..., subprocess.Popen[str]]
Ubi = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def start_ubi(tmp_path: Path) -> Iterator[Start]:
    """Start `ubi` with these arguments and environment, in a session of its own; it is killed if the test leaves it."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("UBI_") or name == "UBI_CACHE_DIR"
        }
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            env=inherited | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def ubi(start_ubi: Start) -> Ubi:
    """Run `ubi` to its end, for two minutes at most."""

    def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        process = start_ubi(*arguments, **environment)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture
def shop_file(tmp_path: Path) -> Path:
    """3,000 events of 200 users in the form of the mapping `rees46`."""
    return write_shop_file(tmp_path / "shop.csv", events=3_000, users=200)

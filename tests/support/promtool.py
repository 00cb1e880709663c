"""promtool, which tests Prometheus' rules: the system's, or that of Debian's package, unpacked into a cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import platformdirs
import pytest

_WITHIN_S = 120.0


@cache
def promtool() -> Path:
    """Path of promtool. Where it can't be had a test is skipped; in CI that is a failure."""
    if found := shutil.which("promtool"):
        return Path(found)
    cached = platformdirs.user_cache_path("ubi-stream") / "promtool" / "promtool"
    if not cached.is_file():
        try:
            _unpack(cached)
        except (OSError, subprocess.SubprocessError) as error:
            _missing(f"{error}{getattr(error, 'stderr', None) or ''}")
    return cached


def _unpack(target: Path) -> None:
    """Get Debian's package `prometheus`, and put the one program of it in its place; nothing is installed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        _run(["apt-get", "download", "prometheus"], folder)
        (package,) = Path(folder).glob("prometheus_*.deb")
        _run(["dpkg-deb", "--extract", package.name, "unpacked"], folder)
        (Path(folder) / "unpacked" / "usr" / "bin" / "promtool").replace(target)


def _run(command: list[str], folder: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_WITHIN_S)


def _missing(why: str) -> None:
    message = (
        "tests of alerts need promtool: put it on PATH, or run them on Debian after apt-get update, where the package "
        f"prometheus has it ({why.strip()})"
    )
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)

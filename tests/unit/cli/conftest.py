"""Runs the command line in this process, away from the environment and any `.env` file of whoever runs the tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from support.shop_file import write_shop_file
from ubi_stream.cli.main import app

Ubi = Callable[..., Result]


@pytest.fixture
def ubi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ubi:
    """Run `ubi` with these arguments and environment, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("UBI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))  # nothing that `ubi up` runs on this machine is found there

    def run(*arguments: str | Path, **environment: str) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)

    return run


@pytest.fixture
def shop_file(tmp_path: Path) -> Path:
    """41 good events of three users, and one of a type that the pack doesn't know."""
    file = write_shop_file(tmp_path / "shop.csv", events=41, users=3)
    with file.open("a", encoding="utf-8") as rows:
        rows.write("2019-10-01 00:41:00 UTC,teleport,1,7,phones,acme,99.00,1,s1\n")
    return file

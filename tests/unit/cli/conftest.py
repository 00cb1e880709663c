"""Runs the command line in this process, away from the environment and any `.env` file of whoever runs the tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import polars  # noqa: F401 - its import sets an environment variable: here, not within a test
import pytest
from typer.testing import CliRunner, Result

from ubi_stream.cli.main import app

Ubi = Callable[..., Result]


@pytest.fixture
def ubi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ubi:
    """Run `ubi` with these arguments and environment, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("UBI_")]:
        monkeypatch.delenv(name)

    def run(*arguments: str | Path, **environment: str) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)

    return run


@pytest.fixture
def shop_file(tmp_path: Path) -> Path:
    """A small file in the form of the mapping `rees46`: three users, one of them buys, one row is garbage."""
    rows = ["event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"]
    for minute in range(40):
        user = minute % 3
        kind = "view" if minute % 9 else "cart"
        rows.append(f"2019-10-01 00:{minute:02d}:00 UTC,{kind},{minute},7,phones,acme,{minute}.50,{user},s{user}")
    rows.append("2019-10-01 00:40:00 UTC,purchase,1,7,phones,acme,99.00,1,s1")
    rows.append("2019-10-01 00:41:00 UTC,teleport,1,7,phones,acme,99.00,1,s1")
    file = tmp_path / "shop.csv"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return file

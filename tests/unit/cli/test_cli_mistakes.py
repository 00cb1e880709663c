"""A newcomer's mistakes: each ends with a sentence that names the thing that is wrong and says what to do.

A worker whose port is taken: web/test_web_server.py. A file in the wrong mapping: test_cli_streams.py.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
import typer
from typer.testing import Result

from ubi_stream.cli.main import app
from ubi_stream.local.ports import free_port
from ubi_stream.settings import Settings
from ubi_stream.worker import _with_snapshot_key

Ubi = Callable[..., Result]


def sentence(result: Result, status: int) -> str:
    """What was said, on one line; never a traceback."""
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    return " ".join(re.sub("[│╭╮╰╯─]", " ", result.stderr).split())


def test_the_wrong_broker(ubi: Ubi, shop_file: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    predicted = sentence(ubi("replay", shop_file, "-m", "rees46", "--broker", nobody, UBI_STARTUP_TIMEOUT_S="0"), 69)
    assert f"Kafka at {nobody} can't be reached" in predicted
    assert "UBI_BROKER or --broker names it; `ubi up` starts one" in predicted


def test_no_postgres(ubi: Ubi) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    predicted = sentence(ubi("migrate", "--dsn", f"postgresql://ann@{nobody}/ubi", UBI_STARTUP_TIMEOUT_S="0"), 69)
    assert f"Postgres at {nobody}/ubi does not answer" in predicted
    assert "UBI_POSTGRES_DSN or --dsn names it; `ubi up` starts one" in predicted


@pytest.mark.parametrize("command", [["pack", "check"], ["pack", "show"], ["demo", "--pack"]], ids=" ".join)
def test_the_wrong_name_of_a_pack(ubi: Ubi, command: list[str]) -> None:
    predicted = sentence(ubi(*command, "ecomerce", UBI_STARTUP_TIMEOUT_S="0"), 64)
    assert "no pack 'ecomerce': did you mean ecommerce? shipped are ecommerce, " in predicted


def test_the_wrong_name_of_a_mapping(ubi: Ubi, shop_file: Path) -> None:
    predicted = sentence(ubi("replay", shop_file, "-m", "rees64", "--offline"), 64)
    assert "mapping 'rees64' is unknown; did you mean rees46? expected one of " in predicted


def test_no_mapping(ubi: Ubi, shop_file: Path) -> None:
    assert "shop.csv needs --mapping" in sentence(ubi("replay", shop_file, "--offline"), 2)


def test_a_file_that_is_missing(ubi: Ubi, shop_file: Path) -> None:
    folder = shop_file.parent
    misspelt = sentence(ubi("replay", folder / "shops.csv", "-m", "rees46", "--offline"), 64)
    assert "shops.csv can't be read: No such file or directory; did you mean shop.csv?" in misspelt
    assert sentence(ubi("replay", "events.jsonl", "--offline"), 64).endswith(f"; looked for it in {folder}")
    elsewhere = sentence(ubi("replay", "data/events.jsonl", "--offline"), 64)
    assert elsewhere.endswith(f"; there is no folder {folder / 'data'}")


@pytest.mark.parametrize("name", ["events.jsonl", "events.ndjson"])
def test_an_empty_file(ubi: Ubi, tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    predicted = sentence(
        ubi("replay", name, "--offline", "--out", "insights.jsonl"), 0
    )  # it may be an hour without events
    assert f"{name} has no rows: was it written to its end?" in predicted


def test_an_empty_csv_file(ubi: Ubi, tmp_path: Path) -> None:
    (tmp_path / "shop.csv").touch()
    predicted = sentence(ubi("replay", "shop.csv", "-m", "rees46", "--offline"), 64)
    assert "shop.csv is empty: expected a header line with the names of the columns" in predicted


def test_no_snapshot_key() -> None:
    with structlog.testing.capture_logs() as logs:
        made = _with_snapshot_key(Settings(_env_file=None))
    [warning] = logs
    assert "UBI_SNAPSHOT_KEY is not set" in warning["message"]
    assert "Set it to a long secret, the same for all workers" in warning["message"]
    assert made.snapshot_key.get_secret_value() not in ("", warning["message"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["replay", "x.jsonl", "--ofline"], "No such option: --ofline"),
        (["usr", "u-1"], "No such command 'usr'. Did you mean"),
        (["worker", "--broker", "127.0.0.1"], "'127.0.0.1' is not host:port"),
        (["insights", "--severity", "hihg"], "expected one of info, low, medium, high"),
    ],
    ids=["option", "command", "address", "word"],
)
def test_a_word_that_a_command_does_not_know(ubi: Ubi, arguments: list[str], expected: str) -> None:
    result = ubi(*arguments)
    assert expected in sentence(result, result.exit_code)
    assert result.exit_code in (2, 64)


def examples() -> list[tuple[list[str], str]]:
    """Every example in the help of a command, with the command's name."""
    found: list[tuple[list[str], str]] = []

    def look(command: Any, name: list[str]) -> None:
        for child_name, child in getattr(command, "commands", {}).items():
            look(child, [*name, child_name])
        text = " ".join((command.help or "").split())
        found.extend((name, example) for example in re.findall(r"(?:- |Example: )`((?:UBI_\w+=\S+ )*ubi [^`]*)`", text))

    look(typer.main.get_command(app), [])
    return found


@pytest.mark.parametrize(("name", "example"), examples(), ids=lambda value: value if isinstance(value, str) else None)
def test_an_example_of_the_help_is_a_command_that_there_is(name: list[str], example: str) -> None:
    words = shlex.split(example.partition(" > ")[0])
    while words[0] != "ubi":
        words.pop(0)
    words.pop(0)
    command: Any = typer.main.get_command(app)
    context = typer.Context(command, info_name="ubi")
    while hasattr(command, "commands") and words:
        found = command.get_command(context, words.pop(0))
        assert found is not None, example
        command = found
    command.make_context("ubi", words, parent=context)  # raises where an option or an argument is none, or is missing

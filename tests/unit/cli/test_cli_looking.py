"""What the commands that look say where nothing answers, or where there is no such thing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import Result

from ubi_stream.local.ports import free_port
from ubi_stream.operations.background import Background, running_background
from ubi_stream.settings import Settings
from ubi_stream.terminal.tables import table

Ubi = Callable[..., Result]


@pytest.mark.parametrize("command", [["insights"], ["users"], ["dead-letters"]], ids=lambda command: command[0])
def test_without_postgres_the_message_says_what_to_do(ubi: Ubi, command: list[str]) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    result = ubi(*command, "--dsn", f"postgresql://ann:geheim@{nobody}/ubi")
    assert result.exit_code == 69
    assert f"Postgres at {nobody}/ubi does not answer" in result.stderr
    assert "`ubi up`" in result.stderr
    assert "geheim" not in result.stderr


def test_without_a_worker_the_message_says_what_to_do(ubi: Ubi) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = ubi("user", "u-1", "--web-url", url)
    assert result.exit_code == 69
    assert f"no worker answers at {url}" in result.stderr
    assert "`ubi worker`" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("insights", "--kind", "rumour"), "--kind rumour: expected one of segment, anomaly"),
        (("insights", "--severity", "loud"), "--severity loud: expected one of info, low, medium, high"),
        (("dead-letters", "--reason", "fate"), "--reason fate: expected one of "),
    ],
)
def test_an_unknown_word_is_answered_with_those_there_are(ubi: Ubi, arguments: tuple[str, ...], expected: str) -> None:
    result = ubi(*arguments)
    assert result.exit_code == 64
    assert expected in result.stderr


def test_down_of_nothing_is_no_error(ubi: Ubi, tmp_path: Path) -> None:
    result = ubi("down", "--data", tmp_path / "none")
    assert (result.exit_code, "Nothing runs on" in result.stderr) == (0, True)


def test_what_a_dead_process_left_counts_as_nothing(tmp_path: Path) -> None:
    local = Background.of_this_process(tmp_path, Settings(), "http://127.0.0.1:8088")
    local.write()
    assert running_background(tmp_path) == local
    assert (tmp_path / "running.json").stat().st_mode & 0o077 == 0  # the password is in it
    # The same id, given to another process later.
    Background(local.pid, local.created_s - 60, local.folder, local.broker, local.postgres_dsn, local.web_url).write()
    assert running_background(tmp_path) is None
    (tmp_path / "running.json").write_text("{", encoding="utf-8")
    assert running_background(tmp_path) is None


def test_tables_fit_80_columns_and_cut_nothing_off() -> None:
    sentence = "30 pages within a minute; people rarely open more than 12, and this goes on for a long time yet"
    rows = [("11-30 12:00:00", "high", "behaviour change", f"u-{'9' * 30}", sentence)]
    console = Console(width=80, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(table(("at (UTC)", "severity", "kind", "user", "what was noticed"), rows))
    shown = captured.get()
    assert max(map(len, shown.splitlines())) <= 80
    assert all(word in shown for word in sentence.split())
    assert "…" not in shown

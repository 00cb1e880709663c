"""README and the page about getting started: each command does what it says; one that is not run here fails."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import urllib.request
import uuid
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from support.running_ubi import RunningUbi
from support.waiting import eventually
from ubi_stream.cli.main import main
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.local.ports import free_port

ROOT = Path(__file__).parents[2]
PAGES = [(ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/start.md")]
BLOCKS = [block for page in PAGES for block in re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL)]
COMMANDS = [line for language, block in BLOCKS if language == "sh" for line in block.splitlines()]
ON_THIS_MACHINE = [
    "ubi up",
    "ubi generate --count 20000 --out events.jsonl",
    "ubi replay events.jsonl",
    "ubi generate --persona impulsive --user u-1",
    "ubi status",
    "ubi insights --severity high",
    "ubi user u-1",
    "ubi down",
]
TESTED_HERE = (
    "make demo",
    "ubi try events.jsonl --html account.html",
    "make setup",
    'export PATH="$PWD/.venv/bin:$PATH"',
    *ON_THIS_MACHINE,
    "ubi generate --count 20000 --start 2024-01-01T00:00:00 --out sample.jsonl",
    "ubi replay sample.jsonl --offline --out insights.jsonl",
    "ubi demo --input events.jsonl --mapping own --exit --json",
    "export UBI_BROKER=127.0.0.1:9092 UBI_POSTGRES_DSN=postgresql://postgres@127.0.0.1/ubi "
    "UBI_SNAPSHOT_KEY=a-long-secret",
    "ubi doctor",
    "ubi worker",
    "ubi generate --persona tired --user u-2",
    'curl "http://127.0.0.1:8088/api/v1/users/u-2"',
    'curl "http://127.0.0.1:8088/api/v1/insights?user_id=u-2&limit=3"',
    "ubi pack list",
    "ubi pack check ecommerce",
)

Ubi = Callable[..., RunningUbi]


def shown(start: str) -> list[str]:
    """Arguments of the one command of the README that begins so, without its first word."""
    [command] = [command for command in COMMANDS if command.startswith(start)]
    return shlex.split(command)[1:]


@pytest.fixture
def events_file(tmp_path: Path) -> Path:
    """Ten visits of two events each: the page's event, with other ids and times; the last one waits for long."""
    [example] = [block for language, block in BLOCKS if language == "json" and '"event_type"' in block]
    event = json.loads(example)
    lines = [
        json.dumps(
            event
            | {"event_id": f"e-{number}", "event_time": f"2026-11-{number // 2 + 1:02}T10:0{number % 2}:00Z"}
            | {"properties": event["properties"] | {"latency_ms": 9000 if number == 19 else 200}}
        )
        for number in range(20)
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def environment(kafka: EmbeddedKafka, postgres: EmbeddedPostgres, topic_prefix: str) -> dict[str, str]:
    """The README's `export`, with servers that are here, and names that only this test uses."""
    exported = dict(pair.split("=", 1) for pair in shown("export UBI"))
    return exported | {
        "UBI_BROKER": kafka.bootstrap,
        "UBI_POSTGRES_DSN": postgres.dsn_for(f"readme_{uuid.uuid4().hex}"),
        "UBI_APP_ID": topic_prefix,
        "UBI_TOPIC_PREFIX": topic_prefix,
        "UBI_WEB_PORT": str(free_port()),
    }


def test_no_command_is_untested() -> None:
    assert sorted(COMMANDS) == sorted(TESTED_HERE)


@pytest.mark.parametrize(("target", "runs"), [("demo", "bin/ubi demo"), ("setup", "--editable .")])
def test_make_targets_run_what_they_say(target: str, runs: str) -> None:
    assert f"make {target}" in COMMANDS
    planned = subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert runs in planned.stdout


@pytest.mark.usefixtures("events_file")
def test_a_file_is_tried_without_servers(ubi: Ubi, tmp_path: Path) -> None:
    tried = ubi(*shown("ubi try"))
    assert tried.process.returncode == 0, tried.err
    assert "20 rows = 20 events + 0 dead letters + 0 left out" in tried.err
    assert "20 rows" in (tmp_path / "account.html").read_text(encoding="utf-8")


def test_ubi_is_where_the_path_leads() -> None:
    [ubi] = entry_points(group="console_scripts", name="ubi")
    assert ubi.load() is main
    assert "VENV ?= .venv" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.mark.timeout(400)
async def test_what_up_starts_is_found_by_the_commands_that_follow(ubi: Ubi, tmp_path: Path) -> None:
    """The README's commands in the README's order."""
    settings = {"UBI_DATA_DIR": str(tmp_path / "data")}
    first = COMMANDS.index("ubi up")
    assert COMMANDS[first : first + len(ON_THIS_MACHINE)] == ON_THIS_MACHINE

    def run(command: str, **more: str) -> str:
        done = ubi(*shlex.split(command)[1:], **settings, **more)
        assert done.process.returncode == 0, done.err
        return done.out + done.err

    def shows(command: str, *expected: str) -> bool:
        return all(words in run(command) for words in expected)

    up, generate, replay, persona, status, insights, user, _down = ON_THIS_MACHINE
    try:
        run(up, UBI_WEB_PORT="0")
        run(generate)
        assert "20,000 events sent" in run(replay)
        assert "by u-1" in run(persona)
        await eventually(lambda: shows(status, "events not processed yet: 0"), 120, status)
        await eventually(lambda: shows(insights, "Looks like a bot", "u-1 ", "In a hurry"), 30, insights)
        assert shows(user, "high risk", "In a hurry")
    finally:
        down = ubi("down", **settings)
    assert "Ended" in down.err


def test_the_insight_that_is_shown_is_what_its_commands_give(ubi: Ubi, tmp_path: Path) -> None:
    """Anew after a change: the commands of the README, and an insight of high severity of what they give."""
    assert ubi(*shown("ubi generate --count 20000 --start")).process.returncode == 0
    run = ubi(*shown("ubi replay sample.jsonl"))
    assert run.process.returncode == 0, run.err
    [example] = [json.loads(block) for language, block in BLOCKS if language == "json" and '"specversion"' in block]
    lines = (tmp_path / "insights.jsonl").read_text(encoding="utf-8").splitlines()
    [given] = [insight for insight in map(json.loads, lines) if insight["id"] == example["id"]]
    assert shown_of(given, example) == example


def shown_of(given: Any, example: Any) -> Any:
    """As much of what is given as the example shows: the same members, numbers as the example has rounded them."""
    if isinstance(example, dict):
        return {name: shown_of(given[name], value) for name, value in example.items()}
    if isinstance(example, list) and len(example) == len(given):
        return [shown_of(*both) for both in zip(given, example, strict=True)]
    if isinstance(example, float) and given == pytest.approx(example, rel=2e-3):
        return example
    return given


@pytest.mark.usefixtures("events_file")
def test_a_file_is_accounted_for_on_servers(ubi: Ubi) -> None:
    run = ubi(*shown("ubi demo"), UBI_WEB_PORT=str(free_port()))
    assert run.process.returncode == 0, run.err
    account = json.loads(run.out)
    assert (account["events"], account["accepted"], account["users"]) == (20, 20, 1)


def test_packs_are_listed_and_checked(ubi: Ubi) -> None:
    listed = ubi(*shown("ubi pack list"))
    assert (listed.process.returncode, "ecommerce" in listed.out, "payments" in listed.out) == (0, True, True)
    checked = ubi(*shown("ubi pack check"))
    assert checked.process.returncode == 0
    assert "OK: ecommerce is a pack that a worker can run" in checked.err


async def test_a_worker_on_ones_own_servers_answers(ubi: Ubi, start_ubi: Ubi, environment: dict[str, str]) -> None:
    doctor = ubi(*shown("ubi doctor"), **environment)
    assert "Traceback" not in doctor.out + doctor.err
    worker = start_ubi(*shown("ubi worker"), **environment)
    port = environment["UBI_WEB_PORT"]
    await eventually(lambda: answer(f"http://127.0.0.1:{port}/health/ready"), 60, "the worker is ready")
    assert ubi(*shown("ubi generate --persona tired"), **environment).process.returncode == 0
    urls = [shlex.split(command)[1].replace(":8088", f":{port}") for command in COMMANDS if command.startswith("curl")]
    profile, insights = urls
    await eventually(lambda: (answer(profile) or {}).get("id") == "u-2", 30, profile)
    await eventually(lambda: (answer(insights) or {}).get("insights"), 30, insights)
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0, worker.err


def answer(url: str) -> Any:
    """JSON of a GET of the address; None where the status is not 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return json.load(response)
    except OSError:
        return None

"""Every command that the README shows does what it says there; a command without a way to run it fails this test."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import urllib.request
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from support.running_ubi import RunningUbi
from support.waiting import eventually
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.local.ports import free_port

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for language, block in BLOCKS if language == "sh" for line in block.splitlines()]
TESTED_HERE = (
    "make demo",
    "make test",
    "ubi try events.jsonl --html account.html",
    "ubi replay events.jsonl --mapping own --offline --out insights.jsonl",
    "ubi demo --input events.jsonl --mapping own --exit --json",
    "export UBI_BROKER=127.0.0.1:9092 UBI_POSTGRES_DSN=postgresql://postgres@127.0.0.1/ubi "
    "UBI_SNAPSHOT_KEY=a-long-secret",
    "ubi doctor",
    "ubi worker",
    'curl "http://127.0.0.1:8088/api/v1/insights?kind=anomaly&limit=3"',
    'curl "http://127.0.0.1:8088/api/v1/users/u-1"',
    "ubi pack list",
    "ubi pack check config/packs/ecommerce.toml",
)

Ubi = Callable[..., RunningUbi]


def shown(start: str) -> list[str]:
    """Arguments of the one command of the README that begins so, without its first word."""
    [command] = [command for command in COMMANDS if command.startswith(start)]
    return shlex.split(command)[1:]


@pytest.fixture
def events_file(tmp_path: Path) -> Path:
    """Ten visits of two events each: the README's event, with other ids and times; the last one waits for long."""
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
    exported = dict(pair.split("=", 1) for pair in shown("export"))
    return exported | {
        "UBI_BROKER": kafka.bootstrap,
        "UBI_POSTGRES_DSN": postgres.dsn_for(f"readme_{uuid.uuid4().hex}"),
        "UBI_APP_ID": topic_prefix,
        "UBI_TOPIC_PREFIX": topic_prefix,
        "UBI_WEB_PORT": str(free_port()),
    }


def test_no_command_is_untested() -> None:
    assert sorted(COMMANDS) == sorted(TESTED_HERE)


@pytest.mark.parametrize(("target", "runs"), [("demo", "bin/ubi demo"), ("test", "bin/pytest")])
def test_make_targets_run_what_they_say(target: str, runs: str) -> None:
    assert f"make {target}" in COMMANDS
    planned = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True)
    assert runs in planned.stdout


@pytest.mark.usefixtures("events_file")
def test_a_file_is_tried_without_servers(ubi: Ubi, tmp_path: Path) -> None:
    tried = ubi(*shown("ubi try"))
    assert tried.process.returncode == 0, tried.err
    assert "20 rows = 20 events + 0 dead letters + 0 left out" in tried.err
    assert "20 rows" in (tmp_path / "account.html").read_text(encoding="utf-8")
    run = ubi(*shown("ubi replay"))
    assert run.process.returncode == 0, run.err
    insights = [json.loads(line) for line in (tmp_path / "insights.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {insight["data"]["label"] for insight in insights} == {"checkout_latency"}


@pytest.mark.usefixtures("events_file")
def test_a_file_is_accounted_for_on_servers(ubi: Ubi) -> None:
    run = ubi(*shown("ubi demo"), UBI_WEB_PORT=str(free_port()))
    assert run.process.returncode == 0, run.err
    account = json.loads(run.out)
    assert (account["events"], account["accepted"], account["users"]) == (20, 20, 1)


def test_packs_are_listed_and_checked(ubi: Ubi) -> None:
    listed = ubi(*shown("ubi pack list"))
    assert (listed.process.returncode, "ecommerce" in listed.out, "payments" in listed.out) == (0, True, True)
    command, check, path = shown("ubi pack check")
    assert ubi(command, check, ROOT / path).process.returncode == 0


@pytest.mark.usefixtures("events_file")
async def test_a_worker_on_ones_own_servers_answers(ubi: Ubi, start_ubi: Ubi, environment: dict[str, str]) -> None:
    doctor = ubi(*shown("ubi doctor"), **environment)
    assert "Traceback" not in doctor.out + doctor.err
    worker = start_ubi(*shown("ubi worker"), **environment)
    port = environment["UBI_WEB_PORT"]
    await eventually(lambda: answers(f"http://127.0.0.1:{port}/health/ready"), 60, "the worker is ready")
    assert ubi("replay", "events.jsonl", "--mapping", "own", **environment).process.returncode == 0
    urls = [shlex.split(command)[1].replace(":8088", f":{port}") for command in COMMANDS if command.startswith("curl")]
    for url in urls:
        await eventually(partial(answers, url), 30, url)
    worker.signal(signal.SIGTERM)
    assert worker.wait(20) == 0, worker.err


def answers(url: str) -> bool:
    """Whether a GET of the address gives status 200 and JSON."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            json.load(response)
            return True
    except OSError:
        return False

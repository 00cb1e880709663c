"""`ubi demo`: a whole file accounted for, the same file again, and that nothing is left when it ends."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.running_ubi import RunningUbi
from support.waiting import eventually
from ubi_stream.local.ports import free_port

Ubi = Callable[..., RunningUbi]


def account(run: RunningUbi) -> dict[str, Any]:
    assert run.process.returncode == 0, run.err
    found = json.loads(run.out)
    assert isinstance(found, dict)
    assert found["events"] == found["accepted"] + found["dead_letters"] + found["duplicates"]
    assert found["insights"] == sum(found["insights_by_kind"].values()) == found["postgres_rows"]
    return found


@pytest.mark.timeout(600)
def test_a_public_file_is_accounted_for_and_again_changes_nothing(
    ubi: Ubi, public_file: Callable[[str], Path], tmp_path: Path
) -> None:
    options = ("--input", public_file("rees46_2019-10-01.csv.gz"), "--mapping", "rees46", "--data", tmp_path / "data")
    first = account(ubi("demo", *options, "--exit", "--json"))
    assert (first["events"], first["accepted"], first["users"]) == (17_434, 17_434, 4_504)
    assert 0 < first["insights"] < 45, "on a day of a real shop there is something, but not of one user in a hundred"
    again = account(ubi("demo", *options, "--exit", "--json"))
    assert (again["events"], again["duplicates"], again["users"]) == (17_434, 17_434, 4_504)
    assert (again["accepted"], again["insights"]) == (0, 0)


def test_garbage_and_duplicates_in_a_file_are_accounted_for(ubi: Ubi, tmp_path: Path) -> None:
    made = ubi(
        *("generate", "--count", "2000", "--users", "100", "--start", "2024-01-01T00:00:00", "--out", "g.jsonl"),
        *("--duplicates", "0.05", "--out-of-order", "0.05", "--poison", "0.05"),
    )
    found = account(ubi("demo", "--input", tmp_path / "g.jsonl", "--exit", "--json"))
    assert found["accepted"] == 2_000
    assert f"{found['events']:,} records: 2,000 good" in made.err
    assert f"{found['duplicates']:,} duplicates, {found['dead_letters']:,} garbage" in made.err
    assert min(found["duplicates"], found["dead_letters"], found["users"]) > 0


def test_a_row_that_is_too_large_for_kafka_is_counted_and_the_status_says_so(ubi: Ubi, tmp_path: Path) -> None:
    rows = [
        {
            "event_id": f"h{at}",
            "event_time": "2026-11-02T10:00:00Z",
            "event_type": "view",
            "user_id": "u",
            "properties": {"html": "x" * size},
        }
        for at, size in enumerate((10, 5_000_000, 20))
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    demo = ubi("demo", "--input", tmp_path / "rows.jsonl", "--exit", "--json")
    found = json.loads(demo.out)
    assert (found["rows"], found["events"], found["not_sent"], found["accepted"]) == (3, 2, 1, 2)
    assert "1 row not sent: too large for Kafka, or empty; the first is row 2" in demo.err
    assert demo.process.returncode == 1


def still_there(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_the_live_demo_ends_soon_and_leaves_nothing(
    start_ubi: Ubi, tmp_path: Path, number: signal.Signals
) -> None:
    data = tmp_path / "data"
    demo = start_ubi("demo", "--rate", "1", "--users", "50", "--data", data, UBI_WEB_PORT=str(free_port()))
    await eventually(lambda: "an ordinary day" in demo.out, 90, "the story begins")
    processes = demo.descendants()
    commands = [" ".join(process.cmdline()) for process in processes]
    for part in ("ubi_stream.cli.main worker", "kafka.Kafka", "/postgres -D"):
        assert any(part in command for command in commands)
    started_s = time.monotonic()
    demo.signal(number)
    assert demo.wait(30) == (0 if number is signal.SIGINT else 128 + number)
    # Within two seconds on an idle machine; one that is busy with other things takes longer.
    assert time.monotonic() - started_s < 15
    assert still_there(processes) == []
    assert demo.err.splitlines()[-1] == "Everything has ended"
    assert f"Data, models and logs stay in {data}" in demo.out
    assert "Next:" in demo.out
    assert "Traceback" not in demo.err
    assert '"event": "stopped"' in (data / "worker.log").read_text()  # in good order: it was not killed


async def test_sigterm_while_the_servers_start_leaves_nothing(start_ubi: Ubi, tmp_path: Path) -> None:
    demo = start_ubi("demo", "--data", tmp_path / "data")
    # Not any process: imports may start one for a moment, before signals are listened to.
    await eventually(lambda: (tmp_path / "data").exists() and demo.descendants(), 60, "a server is being started")
    processes = demo.descendants()
    demo.signal(signal.SIGTERM)
    assert demo.wait(40) == 128 + signal.SIGTERM
    assert still_there(processes) == []
    assert "Traceback" not in demo.err


async def test_a_killed_demo_takes_its_servers_and_worker_along(start_ubi: Ubi, tmp_path: Path) -> None:
    demo = start_ubi("demo", "--rate", "1", "--users", "50", "--data", tmp_path / "data")
    await eventually(lambda: " events/s " in demo.out, 90, "the demo runs")
    processes = demo.descendants()
    demo.signal(signal.SIGKILL)
    demo.wait(10)
    await eventually(lambda: not still_there(processes), 10, "what the demo started has ended")


async def test_a_worker_that_dies_ends_the_demo_with_the_reason(start_ubi: Ubi, tmp_path: Path) -> None:
    demo = start_ubi("demo", "--rate", "1", "--users", "50", "--data", tmp_path / "data")
    await eventually(lambda: " events/s " in demo.out, 90, "the demo runs")
    processes = demo.descendants()
    worker = next(process for process in processes if "worker" in process.cmdline())
    worker.kill()
    assert demo.wait(20) == 69
    assert "error: the worker ended by itself. Its log" in demo.err
    assert still_there(processes) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [(["--exit"], "--exit needs --input"), (["--json"], "--json needs --exit"), (["--users", "3"], "users = 3")],
)
def test_wrong_options_start_nothing(ubi: Ubi, tmp_path: Path, options: list[str], expected: str) -> None:
    run = ubi("demo", "--data", tmp_path / "data", *options)
    assert run.process.returncode in (2, 64)
    assert expected in run.err
    assert not (tmp_path / "data").exists()

"""`ubi up` leaves servers and a worker; the commands that look find them by themselves; `ubi down` ends them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.running_ubi import RunningUbi
from support.waiting import eventually

Ubi = Callable[..., RunningUbi]

GARBAGE = '{"event_type": "teleport", "user_id": "u-1", "event_time": "2026-11-01T10:00:00Z"}'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def looked(ubi: Ubi, data: Path) -> Iterator[Callable[..., Any]]:
    """JSON that a command prints; the servers are ended even where the test fails."""

    def look(*arguments: str) -> Any:
        run = ubi(*arguments, "--json", UBI_DATA_DIR=str(data))
        assert run.process.returncode == 0, run.err
        return json.loads(run.out)

    yield look
    ubi("down", UBI_DATA_DIR=str(data))


def event(number: int) -> str:
    return json.dumps(
        {
            "event_id": f"e-{number}",
            "event_time": f"2026-11-{number // 4 + 1:02}T10:0{number % 4}:00Z",
            "event_type": "view",
            "user_id": "u-1",
            "session_id": f"s-{number // 4}",
            "properties": {"category": "shoes", "price": 59.9},
        }
    )


async def test_up_is_found_by_all_that_looks_and_down_ends_it(
    ubi: Ubi, looked: Callable[..., Any], data: Path, tmp_path: Path
) -> None:
    up = ubi("up", UBI_DATA_DIR=str(data), UBI_WEB_PORT="0")
    assert up.process.returncode == 0, up.err
    assert "ubi down" in up.out
    owner = psutil.Process(json.loads((data / "running.json").read_text())["pid"])
    started = owner.children(recursive=True)
    (tmp_path / "events.jsonl").write_text("\n".join([*map(event, range(24)), GARBAGE]), encoding="utf-8")
    sent = ubi("replay", "events.jsonl", UBI_DATA_DIR=str(data))
    assert sent.process.returncode == 0, sent.err

    await eventually(lambda: looked("dead-letters")["by_reason"] == {"unknown_event_type": 1}, 30, "the dead letter")
    await eventually(lambda: looked("users") != [], 30, "the user's ended visits")
    [user] = looked("users")
    assert (user["user_id"], user["visits_30d"]) == ("u-1", 5)  # the sixth has not ended
    assert looked("users", "--segment", "nobody_has_it") == []
    spread = looked("segments")
    assert [one["count"] for one in spread["users"]["distribution"]] == [1]
    assert [(one["behavior_segment"], one["total_views"]) for one in spread["visits"]["funnel"]] == [("browser", 4)]
    assert looked("visit", "s-1") == looked("session", "s-1")
    assert (looked("visit", "s-1")["behavior_segment"], looked("visit", "s-1")["total_events"]) == ("browser", 4)
    profile = looked("user", "u-1")["profile"]
    assert profile["counters"]["events"] == 24
    assert {one["name"]: one["up"] for one in looked("status")} == {"Kafka": True, "Postgres": True, "worker": True}
    assert isinstance(looked("insights", "--user", "u-1"), list)
    for command in (
        ["users"],
        ["user", "u-1"],
        ["segments"],
        ["visit", "s-1"],
        ["dead-letters"],
        ["status"],
        ["insights"],
    ):
        shown = ubi(*command, UBI_DATA_DIR=str(data))
        assert shown.process.returncode == 0, shown.err
    unknown = ubi("visit", "s-5", UBI_DATA_DIR=str(data))
    assert (unknown.process.returncode, "has ended" in unknown.err) == (1, True)
    missing = ubi("user", "nobody", UBI_DATA_DIR=str(data))
    assert (missing.process.returncode, "Nothing is known about the user nobody" in missing.err) == (1, True)

    again = ubi("up", UBI_DATA_DIR=str(data))
    assert "runs already" in again.err
    down = ubi("down", UBI_DATA_DIR=str(data))
    assert "Ended" in down.err
    assert not any(process.is_running() for process in (owner, *started))
    ended = ubi("status", UBI_DATA_DIR=str(data), UBI_STARTUP_TIMEOUT_S="0")
    assert ended.process.returncode == 1
    assert "ubi up" in ended.err

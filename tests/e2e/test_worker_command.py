"""`ubi worker`: what it says when a server is away, and that it gives the insights that an offline run gives."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from support.running_ubi import RunningUbi
from support.waiting import eventually
from ubi_stream.clock import SystemClock
from ubi_stream.local.ports import free_port
from ubi_stream.operations.demo.topics import watching
from ubi_stream.packs.loader import load_pack
from ubi_stream.settings import Settings

Ubi = Callable[..., RunningUbi]


def gives_up_in_time(run: RunningUbi, started_s: float) -> None:
    assert run.process.returncode == 69
    assert time.monotonic() - started_s < 30
    assert "Traceback" not in run.err
    assert run.err.splitlines()[-1].startswith("error: ")


def test_without_a_broker_it_gives_up_in_time_with_a_sentence(ubi: Ubi, database: str) -> None:
    nobody, started_s = f"127.0.0.1:{free_port()}", time.monotonic()
    run = ubi("worker", UBI_BROKER=nobody, UBI_POSTGRES_DSN=database, UBI_STARTUP_TIMEOUT_S="1", UBI_WEB_PORT="0")
    gives_up_in_time(run, started_s)
    assert f"error: Kafka at {nobody} can't be reached" in run.err


def test_without_a_database_it_gives_up_in_time_with_a_sentence(ubi: Ubi, environment: dict[str, str]) -> None:
    nobody, started_s = f"127.0.0.1:{free_port()}", time.monotonic()
    environment |= {"UBI_POSTGRES_DSN": f"postgresql://a:geheim@{nobody}/ubi", "UBI_STARTUP_TIMEOUT_S": "1"}
    run = ubi("worker", "--web-port", "0", **environment)
    gives_up_in_time(run, started_s)
    assert f"error: Postgres at {nobody}/ubi did not answer" in run.err
    assert "geheim" not in run.err


def digest(lines: list[bytes]) -> str:
    """Of ids and contents, whatever their order."""
    insights = {insight["id"]: insight for insight in map(json.loads, lines)}
    return sha256(json.dumps(insights, sort_keys=True).encode()).hexdigest()


async def test_online_and_offline_replay_give_the_same_insights(
    ubi: Ubi, start_ubi: Ubi, tmp_path: Path, environment: dict[str, str], settings: Settings, database: str
) -> None:
    """The same file, settings and seed: same ids, same contents, once through Kafka and a worker, once without."""
    made = (
        "--count",
        "8000",
        "--users",
        "200",
        "--rate",
        "0.02",
        "--start",
        "2024-01-01T00:00:00",
        "--out",
        "shop.jsonl",
    )
    assert (await asyncio.to_thread(ubi, "generate", *made)).process.returncode == 0
    options = ("replay", tmp_path / "shop.jsonl")
    offline = await asyncio.to_thread(ubi, *options, "--offline", "--out", "offline.jsonl", **environment)
    assert offline.process.returncode == 0, offline.err
    expected = (tmp_path / "offline.jsonl").read_bytes().splitlines()
    assert len(expected) > 50

    for command in (("topics",), options):
        assert (await asyncio.to_thread(ubi, *command, **environment)).process.returncode == 0
    worker = start_ubi("worker", "--web-port", "0", UBI_POSTGRES_DSN=database, **environment)
    async with watching(settings, load_pack(settings.pack), SystemClock()) as topics:
        assert sum((await topics.ends([settings.events_topic])).values()) == 8_000
        await eventually(topics.settled, 60, "the worker has processed all")
        found = [value async for _, _, value in topics.values(settings.insights_topic)]
    worker.signal(signal.SIGTERM)
    assert await asyncio.to_thread(worker.wait, 15) == 0
    logged = [json.loads(line) for line in worker.err.splitlines()]  # no terminal: JSON
    [ready] = [line for line in logged if line["event"] == "ready"]
    assert ready["views"].startswith("http://127.0.0.1:")
    assert len(found) == len(expected)
    assert digest(found) == digest(expected)

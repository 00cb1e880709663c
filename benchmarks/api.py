"""How much the collector takes, and how soon it answers: `python -m benchmarks.api`.

Starts Kafka and Postgres, and `ubi serve` in a process of its own; sends batches of track calls as fast as they are
taken, then single events and batches of 100 at a steady pace. Counts what is on the topic at the end: each event that
was acknowledged, once. The last line is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil
from pydantic import SecretStr

from benchmarks.faults.topics import records_of
from benchmarks.race.contest import until
from ubi_stream.clock import SystemClock
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.local.ports import free_port
from ubi_stream.settings import Settings
from ubi_stream.terminal.configured import child_environment

BATCH: Final = 100
_READY_S: Final = 60.0
_SENDERS: Final = 8
_USERS: Final = 2_000


def calls(first: int, count: int) -> list[dict[str, Any]]:
    """Track calls as Segment's library sends them."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(SystemClock().now_ms() / 1000))
    return [
        {
            "type": "track",
            "event": "Product Viewed",
            "userId": f"u-{number % _USERS}",
            "anonymousId": None,
            "messageId": f"m-{number}",
            "timestamp": now,
            "integrations": {},
            "context": {"library": {"name": "analytics-python", "version": "2.4.0"}, "page": {"path": "/hats"}},
            "properties": {"price": 19.9, "category": "hats", "product_id": f"p-{number % 50}"},
        }
        for number in range(first, first + count)
    ]


class Load:
    """Sends, and remembers how long each answer took.

    Attributes
    ----------
    acknowledged
        Events in answers with status 200.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url
        self._sent = 0
        self.acknowledged = 0

    async def post(self, count: int) -> float:
        """Send so many events in one request; seconds until the answer."""
        body = json.dumps({"batch": calls(self._sent, count)}).encode()
        self._sent += count
        started = time.perf_counter()
        async with self._http.post(f"{self._url}/v1/batch", data=body) as response:
            await response.read()
            if response.status == 200:
                self.acknowledged += count
            return time.perf_counter() - started

    async def flood(self, seconds: float) -> float:
        """Events a second that are taken from several senders who send the next batch once the last is answered."""
        before, started = self.acknowledged, time.perf_counter()

        async def send() -> None:
            while time.perf_counter() - started < seconds:
                await self.post(BATCH)

        await asyncio.gather(*(send() for _ in range(_SENDERS)))
        return (self.acknowledged - before) / (time.perf_counter() - started)

    async def pace(self, count: int, per_s: float, seconds: float) -> list[float]:
        """Answer times of requests that come at a steady pace, whether or not those before are answered."""
        tasks, started = [], time.perf_counter()
        for number in range(round(per_s * seconds)):
            await asyncio.sleep(max(0.0, started + number / per_s - time.perf_counter()))
            tasks.append(asyncio.create_task(self.post(count)))
        return sorted(await asyncio.gather(*tasks))


def percentile(times: list[float], share: float) -> float:
    """Milliseconds within which this share was answered.

    >>> percentile([0.001, 0.002, 0.003, 0.004], 0.5)
    3.0
    """
    return round(times[min(len(times) - 1, int(len(times) * share))] * 1000, 1)


@contextmanager
def serving(settings: Settings, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """`ubi serve` in a process of its own: its address, and the process."""
    command = [sys.executable, "-m", "ubi_stream.cli.main", "serve"]
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, env=child_environment(settings), stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{settings.web_port}", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


async def is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    """Whether it answers that it is ready."""
    try:
        async with http.get(f"{url}/health/ready") as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def measure(url: str, process: psutil.Process, settings: Settings, seconds: float) -> dict[str, Any]:
    """All figures."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        await until(lambda: is_ready(http, url), _READY_S, "the collector is ready")
        load = Load(http, url)
        await load.flood(2.0)  # warms up
        before, busy_s = load.acknowledged, sum(process.cpu_times()[:2])
        events_per_s = await load.flood(seconds)
        busy_s = sum(process.cpu_times()[:2]) - busy_s
        cpu_us = busy_s / max(1, load.acknowledged - before) * 1e6
        single = await load.pace(1, 50.0, seconds)
        batch = await load.pace(BATCH, 10.0, seconds)
    records = records_of(settings, settings.events_topic)
    ids = [json.loads(record.value or b"")["event_id"] async for record in records]
    return {
        "events_per_s": round(events_per_s),
        "cpu_us_per_event": round(cpu_us, 1),
        "single_p50_ms": percentile(single, 0.5),
        "single_p95_ms": percentile(single, 0.95),
        "batch_100_p50_ms": percentile(batch, 0.5),
        "batch_100_p95_ms": percentile(batch, 0.95),
        "acknowledged": load.acknowledged,
        "on_topic": len(ids),
        "lost": load.acknowledged - len(set(ids)),
        "doubled": len(ids) - len(set(ids)),
    }


def main() -> None:
    """Run, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each part")
    parser.add_argument("--partitions", type=int, default=4)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="ubi-api-") as folder,
        EmbeddedKafka(Path(folder) / "kafka") as kafka,
        EmbeddedPostgres(Path(folder) / "postgres") as postgres,
    ):
        settings = Settings(
            _env_file=None,
            broker=kafka.bootstrap,
            postgres_dsn=SecretStr(postgres.dsn_for("ubi")),
            partitions=options.partitions,
            web_port=free_port(),
        )
        with serving(settings, Path(folder)) as (url, process):
            found = asyncio.run(measure(url, process, settings, options.seconds))
    for name, value in found.items():
        print(f"{name:18} {value:>10,}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()

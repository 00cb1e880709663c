"""Workers as processes of their own, to be stopped, killed and looked into, and the events that they get."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from support.waiting import eventually
from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.sender import Sender
from ubi_stream.local.ports import free_port
from ubi_stream.settings import Settings

COMMAND = [sys.executable, "-m", "ubi_stream.cli.main", "worker"]
READY_S = 45.0
"""A worker after a kill waits for the broker to give its partitions away, 6 s; the rest is for a busy machine."""


@dataclass
class WorkerProcess:
    """One `ubi worker`, its views on a free port, its log in a file that goes on over restarts."""

    settings: Settings
    folder: Path
    name: str = "worker"
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    command: Sequence[str] = field(default_factory=lambda: COMMAND)

    @property
    def log_file(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the process; it is not ready yet."""
        assert not self.running
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("UBI_")}
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env={
                    **inherited,
                    **worker_environment(self.settings),
                    "UBI_WEB_PORT": str(self.port),
                    **self.environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def ready(self, within_s: float = READY_S) -> None:
        """Wait until it says that it is ready."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as http:

            async def delayed_labels() -> bool:
                assert self.running, f"the worker ended with {self.exit_code}:\n{self.log_tail()}"
                try:
                    async with http.get(f"{self.url}/health/ready") as response:
                        return response.status == 200
                except (aiohttp.ClientError, TimeoutError):
                    return False

            await eventually(delayed_labels, within_s, f"{self.name} is ready")

    async def started(self) -> WorkerProcess:
        """Start it, wait until it is ready, and return it."""
        self.start()
        await self.ready()
        return self

    def kill(self) -> None:
        """SIGKILL: no last word."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    async def stop(self, within_s: float = 45.0) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await self.ended(within_s)

    async def ended(self, within_s: float = 45.0) -> int:
        """Wait for the end; returns the exit status."""
        assert self.process is not None
        await eventually(lambda: not self.running, within_s, f"{self.name} ends")
        return self.process.wait()

    @property
    def exit_code(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def log(self) -> list[dict[str, Any]]:
        """All lines so far; what is no JSON comes under `text`."""
        return [_line(text) for text in self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()]

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Lines of one event."""
        return [line for line in self.log() if line.get("event") == event]

    def log_tail(self) -> str:
        return "\n".join(self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-25:])

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON of one of its views."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}{path}") as response:
            return response.status, await response.json(content_type=None)

    async def delete(self, path: str) -> tuple[int, Any]:
        """Status and JSON of what one of its views deletes."""
        async with aiohttp.ClientSession() as http, http.delete(f"{self.url}{path}") as response:
            return response.status, await response.json(content_type=None)

    async def metric(self, series: str) -> float:
        """Value of one series of `/metrics`, written as it is there; 0 if it isn't."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/metrics") as response:
            for line in (await response.text()).splitlines():
                if line.startswith(f"{series} "):
                    return float(line.rpartition(" ")[2])
        return 0.0


def _line(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {"text": text}
    return found if isinstance(found, dict) else {"text": text}


def worker_environment(settings: Settings) -> dict[str, str]:
    """Environment variables for everything that was set explicitly."""
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    return {
        f"UBI_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
    }


def paced(records: Sequence[ProducerRecord], per_s: float) -> list[ProducerRecord]:
    """The records with times that have a sender at `realtime` send so many a second."""
    return [
        ProducerRecord(record.key, record.value, int(number * 1000 / per_s)) for number, record in enumerate(records)
    ]


async def send(settings: Settings, records: Sequence[ProducerRecord], per_s: float | None = None) -> int:
    """Send records to the events topic, all at once or so many a second; returns how many were acknowledged."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker, acks="all", enable_idempotence=True, max_request_size=8 * 1024 * 1024
    )
    await producer.start()
    try:
        speed: Any = "max" if per_s is None else "realtime"
        sender = Sender(producer, settings.events_topic, SystemClock(), speed=speed)
        return (await sender.send(records if per_s is None else paced(records, per_s))).acknowledged
    finally:
        await producer.stop()


@asynccontextmanager
async def sending(
    settings: Settings, records: Sequence[ProducerRecord], per_s: float
) -> AsyncIterator[asyncio.Task[int]]:
    """Send records meanwhile; await the task for their number. It ends with the block, however that ends."""
    task = asyncio.create_task(send(settings, records, per_s))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

"""Workers as processes of their own, to be stopped, killed and looked into, and what they leave on the topics."""

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
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pydantic import SecretStr

from support.waiting import eventually
from tables import states as state_tables
from ubi_stream.clock import SystemClock
from ubi_stream.local.ports import free_port
from ubi_stream.packs.loader import load_pack
from ubi_stream.replay.records import ProducerRecord
from ubi_stream.replay.sender import Sender
from ubi_stream.runtime.kafka_client import connect_admin
from ubi_stream.runtime.topics import ensure_topics, source_topics
from ubi_stream.settings import Settings
from ubi_stream.state.codec import decode_state
from ubi_stream.state.model import UserState

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
                COMMAND,
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

            async def answers() -> bool:
                assert self.running, f"the worker ended with {self.exit_code}:\n{self.log_tail()}"
                try:
                    async with http.get(f"{self.url}/health/ready") as response:
                        return response.status == 200
                except (aiohttp.ClientError, TimeoutError):
                    return False

            await eventually(answers, within_s, f"{self.name} is ready")

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


async def read_topic(settings: Settings, topic: str) -> list[Any]:
    """All records of a topic, partition by partition, in order."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.broker,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        records: list[Any] = []
        for partition in partitions:
            await consumer.seek_to_beginning(partition)
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for found in (await consumer.getmany(timeout_ms=1000)).values():
                records += found
        return sorted(records, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()


async def read_states(settings: Settings, entity: str = "user") -> dict[str, UserState]:
    """What a restore would find: the last state of each entity on its changelog."""
    latest: dict[tuple[int, bytes], bytes | None] = {}
    for record in await read_topic(settings, settings.changelog_topic(state_tables.name(entity))):
        latest[record.partition, record.key] = record.value
    there = [(key.decode(), blob) for (_, key), blob in latest.items() if blob is not None]
    states = {key: comparable(decode_state(blob)[1]) for key, blob in there}
    assert len(states) == len(there), "an entity is in two partitions"
    return states


def comparable(state: UserState) -> UserState:
    """A state without what a forward that came twice leaves in it: a later offset."""
    state.forwarded = dict.fromkeys(sorted(state.forwarded), 0)
    return state


class Offsets:
    """Looks at how far the worker's group has come."""

    def __init__(self, settings: Settings) -> None:
        pack = load_pack(settings.pack)
        topics = source_topics(settings, pack)
        self._partitions = [TopicPartition(topic, number) for topic in topics for number in range(settings.partitions)]
        self._events_topic = settings.events_topic
        # Never subscribes, so it is no member of the group that it asks about.
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.broker, group_id=settings.app_id, enable_auto_commit=False
        )

    async def __aenter__(self) -> Offsets:
        await self._consumer.start()
        self._consumer.assign(self._partitions)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()

    async def committed(self) -> dict[tuple[str, int], int | None]:
        """Committed offset by topic and partition, of all topics that a worker consumes."""
        found = await asyncio.gather(*map(self._consumer.committed, self._partitions))
        return {(tp.topic, tp.partition): offset for tp, offset in zip(self._partitions, found, strict=True)}

    async def ends(self) -> dict[tuple[str, int], int]:
        """Offset after the last record by topic and partition."""
        found = await self._consumer.end_offsets(self._partitions)
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    async def behind(self) -> int:
        """Records that are not committed."""
        ends, committed = await self.ends(), await self.committed()
        return sum(end - (committed[tp] or 0) for tp, end in ends.items())

    async def events_committed(self) -> int:
        """Committed offsets of the events topic, added up."""
        return sum(
            offset or 0 for (topic, _), offset in (await self.committed()).items() if topic == self._events_topic
        )

    async def past(self, events: int, within_s: float = 40.0) -> None:
        """Wait until this many records of the events topic are committed."""

        async def done() -> bool:
            return await self.events_committed() >= events

        await eventually(done, within_s, f"{events} events are committed")

    async def all_committed(self, events: int, within_s: float = 60.0) -> None:
        """Wait until so many records of the events topic, and all that follows from them, are committed."""

        async def done() -> bool:
            return await self.events_committed() >= events and await self.behind() == 0

        await eventually(done, within_s, f"{events} events are committed")


async def make_topics(settings: Settings) -> None:
    """Make the topics of a worker that is not started yet."""
    admin = await connect_admin(settings, SystemClock())
    try:
        await ensure_topics(admin, settings, load_pack(settings.pack))
    finally:
        await admin.close()

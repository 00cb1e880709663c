"""One scenario's run: its topics, database and workers, the stream, and what its faults do to them."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from benchmarks.databases import new_database
from benchmarks.faults.fleet import Fleet
from benchmarks.faults.topics import Watch
from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.data.sender import Sender
from ubi_stream.errors import LocalServiceError
from ubi_stream.kafka.client import client_options, connect_admin
from ubi_stream.local import EmbeddedKafka, EmbeddedPostgres
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.schema import Pack
from ubi_stream.runtime.topics import ensure_topics
from ubi_stream.settings import Settings

SETTLE_WITHIN_S: Final = 300.0
_POLL_S: Final = 0.05
_GOES_ON_WITHIN_S: Final = 120.0


@dataclass
class Servers:
    """The broker and the database of all scenarios."""

    kafka: EmbeddedKafka
    postgres: EmbeddedPostgres


@dataclass
class Run:
    """What a fault can get at.

    Attributes
    ----------
    settings
        Of the scenario: topics, group and database are its own.
    records
        The stream.
    per_s
        Its pace.
    chance
        Where every random choice of a fault comes from.
    recoveries
        Seconds from the end of each fault until processing went on.
    notes
        What else the table should say.
    """

    servers: Servers
    settings: Settings
    pack: Pack
    fleet: Fleet
    watch: Watch
    records: Sequence[ProducerRecord]
    per_s: float
    chance: Random
    sent: int = 0
    recoveries: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Records of the stream."""
        return len(self.records)

    async def send_some(self, share: float = 1.0) -> None:
        """Send the next so large a share of the stream; without a number, all that is left."""
        part = self.records[self.sent : self.sent + math.ceil(share * self.total)]
        acknowledged = await send(self.settings, part, self.per_s)
        if acknowledged != len(part):
            raise LocalServiceError(f"{acknowledged} of {len(part)} records were acknowledged")
        self.sent += len(part)

    async def past(self, share: float) -> None:
        """Wait until so large a share of the stream is processed and committed."""
        await self._until(lambda: self.watch.events_committed(), share * self.total, SETTLE_WITHIN_S)

    async def change(self, longest_s: float) -> None:
        """Wait for a random time."""
        await asyncio.sleep(self.chance.uniform(0.0, longest_s))

    async def goes_on(self) -> None:
        """Measure how long it takes from now until offsets are committed that were not; nothing if all is done."""
        await self._measure(self.watch.committed, self.watch.behind)

    async def stores_again(self) -> None:
        """Measure how long it takes from now until rows reach Postgres; nothing if all are there."""
        await self._measure(self.watch.stored, self.watch.to_store)

    async def settled(self) -> None:
        """Wait until everything that was sent is processed, committed, and stored."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + SETTLE_WITHIN_S
        while not (await self.watch.behind() == 0 and await self.watch.to_store() == 0):
            if loop.time() > deadline_s:
                raise LocalServiceError(
                    f"not settled within {SETTLE_WITHIN_S:.0f} s: {await self.watch.behind()} records not committed, "
                    f"{await self.watch.to_store()} not stored; workers ended with {dict(self.fleet.exits())}"
                )
            await asyncio.sleep(_POLL_S)

    async def _measure(self, reached: Callable[[], Any], left: Callable[[], Any]) -> None:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        before: int | None = None
        while loop.time() < started_s + _GOES_ON_WITHIN_S:
            now = await reached()
            before = now if before is None else before
            if now is not None and before is not None and now > before:
                self.recoveries.append(loop.time() - started_s)
                return
            if now is not None and await left() == 0:
                return
            await asyncio.sleep(_POLL_S)
        raise LocalServiceError(
            f"processing did not go on within {_GOES_ON_WITHIN_S:.0f} s; workers ended with {dict(self.fleet.exits())}"
        )

    async def _until(self, reached: Callable[[], Any], least: float, within_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + within_s
        while await reached() < least:
            if loop.time() > deadline_s:
                raise LocalServiceError(f"{least:.0f} events are not processed within {within_s:.0f} s")
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def prepared(
    servers: Servers,
    folder: Path,
    *,
    pack: str,
    records: Sequence[ProducerRecord],
    per_s: float,
    seed: int,
    postgres_port: int | None = None,
    **changes: Any,
) -> AsyncIterator[Run]:
    """Topics, a database, and a fleet that is not started; all workers are gone at the end.

    Barriers come four times as often as by default, so that a fault finds some of them done; a session is the shortest
    that the broker allows.
    """
    name = f"faults-{uuid.uuid4().hex[:8]}"
    dsn = servers.postgres.dsn_for(name)
    if postgres_port is not None:
        dsn = dsn.replace(f":{servers.postgres.port}/", f":{postgres_port}/")
    settings = Settings(
        _env_file=None,
        **{
            "app_id": name,
            "topic_prefix": name,
            "pack": pack,
            "broker": servers.kafka.bootstrap,
            "postgres_dsn": SecretStr(dsn),
            "partitions": 4,
            "session_timeout_s": 6.0,
            "flush_interval_s": 0.5,
            "snapshot_key": SecretStr(f"key {seed}"),
            **changes,
        },
    )
    loaded = load_pack(pack)
    async with new_database(servers.postgres.dsn, name):
        admin = await connect_admin(settings, SystemClock())
        try:
            await ensure_topics(admin, settings, loaded)
        finally:
            await admin.close()
        fleet = Fleet(settings, folder)
        try:
            async with Watch(settings, loaded) as watch:
                yield Run(servers, settings, loaded, fleet, watch, records, per_s, Random(f"faults {seed}"))
        finally:
            await fleet.stop()
            fleet.kill()


async def send(settings: Settings, records: Sequence[ProducerRecord], per_s: float) -> int:
    """Send records at a steady pace, through any outage; returns how many were acknowledged."""
    producer = AIOKafkaProducer(
        **client_options(settings),
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=180_000,  # longer than any outage that a scenario makes
        max_request_size=8 * 1024 * 1024,
    )
    await producer.start()
    try:
        paced = (
            ProducerRecord(record.key, record.value, int(number * 1000 / per_s))
            for number, record in enumerate(records)
        )
        report = await Sender(producer, settings.events_topic, SystemClock(), speed="realtime").send(paced)
        return report.acknowledged
    finally:
        await producer.stop()

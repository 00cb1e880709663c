"""Many users at once: real states written to the changelog, restored by a worker, and events on top of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final

import aiohttp
from aiokafka import AIOKafkaProducer

from benchmarks.race.contest import PRODUCT, Runner, Track, is_ready, metric, until, watched
from benchmarks.race.inputs import load, shoppers
from benchmarks.race.sampling import usage
from ubi_stream.clock import SystemClock
from ubi_stream.data.records import ProducerRecord
from ubi_stream.kafka.client import client_options
from ubi_stream.kafka.partitioner import partition_of
from ubi_stream.packs.loader import load_pack
from ubi_stream.replay.offline import OfflineRun
from ubi_stream.settings import Settings
from ubi_stream.state.codec import encode_state
from ubi_stream.tables import states as state_tables

STATE_BYTES: Final = 700
"""Those are taken that come nearest to this size."""
_SAMPLE_EVENTS: Final = 8_000
_SAMPLE_USERS: Final = 400
_SPAN_S: Final = 600
"""Event time, short: else the visits of all users who are restored end when the first events come."""
_BATCH_BYTES: Final = 512 * 1024
_READY_WITHIN_S: Final = 600.0
_USER: Final = re.compile(rb"u\d+")


@dataclass(frozen=True, slots=True)
class Restored:
    """A worker that found so many users.

    Attributes
    ----------
    store
        `UBI_STATE_STORE`.
    restore_s
        Reading the changelogs.
    again_s
        The same at a second start, when it has processed the events and was stopped.
    ready_s
        From the start of the process until it is ready.
    empty_ready_s
        The same without any user.
    bytes_per_user
        Resident memory above that of a worker without users.
    events_per_s, cpu_s_per_million
        Of events of these users afterwards; 0 where none were sent.
    """

    users: int
    store: str
    state_bytes: float
    restore_s: float
    again_s: float
    ready_s: float
    empty_ready_s: float
    bytes_per_user: float
    events_per_s: float = 0.0
    cpu_s_per_million: float = 0.0


def sample_states(settings: Settings, size: int = STATE_BYTES) -> list[bytes]:
    """Real states, those nearest to a size: of generated users after some visits."""
    run = OfflineRun(load_pack(settings.pack), settings, now_ms=SystemClock().now_ms())
    for _ in run.run(shoppers(_SAMPLE_EVENTS, _SAMPLE_USERS, span_s=_SPAN_S)):
        pass
    blobs = []
    for number in range(_SAMPLE_USERS):
        key = f"u{number:06d}"
        live = run.partition("user", partition_of(key.encode(), settings.partitions)).store.get(key)
        if live is not None:
            # Of another life of the topic: the content counts, and the offset says nothing.
            blobs.append(encode_state(live.state, epoch=1, offset=-1))
    return sorted(blobs, key=lambda blob: abs(len(blob) - size))[:50]


async def write_states(settings: Settings, users: int) -> float:
    """Fill the changelog of states with so many users; returns the average size."""
    blobs = sample_states(settings)
    topic = settings.changelog_topic(state_tables.name("user"))
    producer = AIOKafkaProducer(**client_options(settings), acks="all", max_batch_size=_BATCH_BYTES)
    await producer.start()
    written = 0
    try:
        batches = {number: producer.create_batch() for number in range(settings.partitions)}
        for user in range(users):
            key, blob = b"u%06d" % user, blobs[user % len(blobs)]
            number = partition_of(key, settings.partitions)
            written += len(blob)
            if batches[number].append(key=key, value=blob, timestamp=None) is None:
                await producer.send_batch(batches[number], topic, partition=number)
                batches[number] = producer.create_batch()
                batches[number].append(key=key, value=blob, timestamp=None)
        for number, batch in batches.items():
            if batch.record_count():
                await producer.send_batch(batch, topic, partition=number)
        await producer.flush()
    finally:
        await producer.stop()
    return written / max(users, 1)


async def measure(track: Track, users: int, events: int = 0, store: str = "memory") -> Restored:
    """Let a worker restore so many users, process events of theirs, and start again."""
    product = replace(PRODUCT, changes=(("state_store", store), ("state_dir", track.folder / "states")))
    async with track.prepared(product) as settings:
        empty = await _start(Runner(product, settings, track.folder, f"empty-{store}"), settings)
    async with track.prepared(product) as settings:
        state_bytes = await write_states(settings, users)
        full = await _start(Runner(product, settings, track.folder, f"full-{store}"), settings, users, events)
        again = await _start(Runner(product, settings, track.folder, f"again-{store}"), settings)
    per_user = (full.resident - empty.resident) / users
    return Restored(
        users,
        store,
        state_bytes,
        full.restore_s,
        again.restore_s,
        full.ready_s,
        empty.ready_s,
        per_user,
        full.events_per_s,
        full.cpu_s_per_million,
    )


@dataclass(frozen=True, slots=True)
class _Start:
    """One life of a worker."""

    ready_s: float
    restore_s: float
    resident: int
    events_per_s: float
    cpu_s_per_million: float


async def _start(runner: Runner, settings: Settings, users: int = 0, events: int = 0) -> _Start:
    """Start a worker, let it process events, and stop it."""
    runner.start()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            ready_s = await _until_ready(session, runner)
            resident = usage(runner.pid)[1]
            restore_s = await metric(session, runner.url, "ubi_recovery_seconds")
        rates = (0.0, 0.0)
        if events:
            await load(settings, of_users(users, events))
            course = await watched([runner], events)
            rates = course.events_per_s, course.cpu_s_per_million
        return _Start(ready_s, restore_s, resident, *rates)
    finally:
        runner.stop()


async def _until_ready(session: aiohttp.ClientSession, runner: Runner) -> float:
    await until(lambda: is_ready(session, runner), _READY_WITHIN_S, "the worker is ready")
    seconds = monotonic() - runner.started_s
    await asyncio.sleep(1.0)  # what the restore leaves behind is collected
    return seconds


def of_users(users: int, events: int) -> Iterator[ProducerRecord]:
    """Events spread over all of them: each finds another user's state."""
    step = max(1, users // events)
    for number, record in enumerate(shoppers(events, 1_000, seed=5, span_s=_SPAN_S)):
        name = b"u%06d" % (number * step % users)
        yield ProducerRecord(name, _USER.sub(name, record.value or b""), record.time_ms)

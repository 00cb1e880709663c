"""Faults of what is kept on Kafka: states and models that are damaged, forged, or of another release."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from pydantic import SecretStr

from benchmarks.faults.broken_worker import RIVER
from benchmarks.faults.fleet import BROKEN
from benchmarks.faults.run import Run
from benchmarks.faults.topics import LogRecord, read_topic
from ubi_stream.kafka.client import client_options
from ubi_stream.reasons import SnapshotReason
from ubi_stream.tables import partitions as partition_tables
from ubi_stream.tables import states as state_tables

Change = Callable[[bytes], bytes]


async def corrupt_changelog(run: Run) -> None:
    """Records on the changelogs that nobody could have written: noise, halves, other versions."""
    await run.past(0.4)
    worker = run.fleet[0]
    await worker.stop()
    noise = random.Random(run.chance.random())
    for table in (state_tables.name("user"), partition_tables.name("user")):
        topic = run.settings.changelog_topic(table)
        written = [record for record in await read_topic(run.settings, topic) if record.value]
        for value_of in (lambda _: noise.randbytes(200), lambda value: value[: len(value) // 2], lambda _: b""):
            await _write(run, topic, noise.sample(written, min(12, len(written))), value_of)
    worker.start()
    await run.goes_on()
    _said(run, "changelog_record_unreadable", {})


async def bad_snapshots(run: Run) -> None:
    """Models cut off, then models with one bit flipped: records that can be read, but for the models in them."""
    worker = run.fleet[0]
    for share, change in ((0.3, _cut_off), (0.6, _bit_flipped)):
        await run.past(share)
        await worker.stop()
        topic = run.settings.changelog_topic(partition_tables.name("user"))
        newest = {record.key: record for record in await read_topic(run.settings, topic) if record.value}
        await _write(run, topic, newest.values(), partial(_with_models, change=change))
        worker.skip_log()
        worker.start()
        await run.goes_on()
        _said(run, "models_not_restored_or_kept", {"reason": SnapshotReason.WRONG_KEY_OR_TAMPERED.value})


async def another_snapshot_key(run: Run) -> None:
    """The models' signatures don't fit any more: they are refused, and start fresh."""
    await run.past(0.4)
    run.fleet.use(snapshot_key=SecretStr("another key"))
    await run.fleet[0].restart()
    await run.goes_on()
    _said(run, "models_not_restored_or_kept", {"reason": SnapshotReason.WRONG_KEY_OR_TAMPERED.value})


async def another_river(run: Run) -> None:
    """Models of another version of River are refused, and start fresh."""
    await run.past(0.4)
    worker = run.fleet[0]
    worker.module, worker.environment = BROKEN, {RIVER: "0.1"}
    await worker.restart()
    await run.goes_on()
    _said(run, "models_not_restored_or_kept", {"reason": SnapshotReason.RIVER_VERSION.value})


def _said(run: Run, event: str, fields: dict[str, str]) -> None:
    if not run.fleet[0].predicted(event, **fields):
        raise AssertionError(f"it was not refused: no line {event} {fields}")


def _with_models(value: bytes, *, change: Change) -> bytes:
    """A partition's record whose models are changed, and nothing else; a record in several pieces stays as it is."""
    chunk: list[Any] = msgspec.msgpack.decode(value)
    *_, chunks, data = chunk
    if chunks != 1:
        return value
    content = msgspec.msgpack.decode(data)
    changed = msgspec.msgpack.encode(content | {"models": change(content["models"])})
    return msgspec.msgpack.encode([*chunk[:-1], changed])


def _cut_off(models: bytes) -> bytes:
    return models[: len(models) // 2]


def _bit_flipped(models: bytes) -> bytes:
    middle = len(models) // 2
    return models[:middle] + bytes([models[middle] ^ 1]) + models[middle + 1 :]


async def _write(run: Run, topic: str, records: Iterable[LogRecord], value_of: Change) -> None:
    """Write other values under the keys of these records."""
    producer = AIOKafkaProducer(**client_options(run.settings), acks="all", max_request_size=8 * 1024 * 1024)
    await producer.start()
    try:
        for record in records:
            value = value_of(record.value or b"")
            await producer.send_and_wait(topic, value, key=record.key, partition=record.partition)
    finally:
        await producer.stop()

"""One lane on a broker that only keeps a journal: what was handed over, and in which order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import KafkaTimeoutError
from faust.types import TP

from support.probe import DAY_MS, EVENTS_TOPIC, probe_pack
from support.streams import Stream
from ubi_stream.checkpoint import newer_chunk
from ubi_stream.clock import Clock, ManualClock
from ubi_stream.effects import Effects
from ubi_stream.errors import DeliveryError, SnapshotError
from ubi_stream.events.model import Record
from ubi_stream.kafka.changelog_store import Content, MemoryContent, PartitionedContent
from ubi_stream.kafka.outbox import Acknowledged, Change
from ubi_stream.models.common.digest import digest
from ubi_stream.packs.schema import Pack
from ubi_stream.partition import PartitionSetup
from ubi_stream.runtime.partition_task import PartitionTask, TaskIO
from ubi_stream.settings import Settings
from ubi_stream.state.codec import decode_state, newer_state
from ubi_stream.state.inactivity import GRACE_MS

SETTINGS = Settings(_env_file=None)
TP_EVENTS = TP(EVENTS_TOPIC, 0)
TP_BY_USER = TP(SETTINGS.repartition_topic("user"), 0)
KEPT_MS = DAY_MS + GRACE_MS
"""How long the probe pack keeps a silent user."""
STATES, RECORDS = "states", "records"


@dataclass
class Broker:
    """Takes what a lane gives, and tells the order of everything in `journal`.

    Attributes
    ----------
    holds
        Acknowledge nothing until `acknowledge()`.
    gate
        Takes no more records while it is closed.
    fails
        Name of the step that fails: "send", "records" or "states".
    changelogs
        What a restore would make of each.
    """

    holds: bool = False
    fails: str = ""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    journal: list[tuple[Any, ...]] = field(default_factory=list)
    sent: list[tuple[str, bytes | None, bytes | None]] = field(default_factory=list)
    done: dict[TP, int] = field(default_factory=dict)
    changelogs: dict[str, PartitionedContent] = field(
        default_factory=lambda: {STATES: PartitionedContent(newer_state), RECORDS: PartitionedContent(newer_chunk)}
    )
    ends: Counter[str] = field(default_factory=Counter)
    _held: list[Acknowledged] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gate.set()

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> Acknowledged:
        await self.gate.wait()
        self.journal.append(("send", topic))
        self.sent.append((topic, key, value))
        future: Acknowledged = asyncio.get_running_loop().create_future()
        if self.holds:
            self._held.append(future)
        else:
            future.set_result(None)
        return future

    def acknowledge(self) -> None:
        """Acknowledge what was held, or refuse it."""
        held, self._held = self._held, []
        for future in held:
            if self.fails == "send":
                future.set_exception(KafkaTimeoutError())
            else:
                future.set_result(None)
        self.journal.append(("acknowledged",))

    async def write(self, topic: str, partition: int, records: Sequence[Change]) -> range:
        await self.gate.wait()
        if self.fails == topic:
            raise DeliveryError(f"no {topic} today")
        for key, value in records:
            self.changelogs[topic].apply(partition, key, value)
        self.journal.append(("write", topic))
        start = self.ends[topic]
        self.ends[topic] += len(records)
        return range(start, self.ends[topic])

    def mark_done(self, tp: TP, next_offset: int) -> None:
        self.journal.append(("done", tp.topic, next_offset))
        self.done[tp] = next_offset

    def steps(self) -> list[str]:
        """The journal's first words, repetitions left out."""
        names = [entry[0] if entry[0] != "write" else entry[1] for entry in self.journal]
        return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]

    def sent_to(self, topic: str) -> list[bytes]:
        return [value for to, _, value in self.sent if to == topic and value is not None]


class Observer:
    """A `TaskObserver` that remembers."""

    def __init__(self) -> None:
        self.effects: list[Effects] = []
        self.problems: list[SnapshotError] = []

    def processed(self, entity: str, effects: Effects, events: int, seconds: float) -> None:
        self.effects.append(effects)

    def handed_over(self, seconds: float) -> None: ...

    def delivered(self, latency_s: float) -> None: ...

    def barrier(self, seconds: float) -> None: ...

    def offsets_missing(self, expired: int, empty: int) -> None: ...

    def snapshot_problem(self, problem: SnapshotError) -> None:
        self.problems.append(problem)


def make_lane(
    broker: Broker,
    observer: Observer | None = None,
    *,
    pack: Pack | None = None,
    key: bytes = b"key",
    clock: Clock | None = None,
    states: Content | None = None,
    **changes: Any,
) -> PartitionTask:
    """A lane of users as it is after a restore of what the broker has, or on states that are there already."""
    setup = PartitionSetup(pack or probe_pack(), "user", 0, epoch=11, seed=3, snapshot_key=key, cache_size=4)
    io = TaskIO(
        outbox=broker,
        states=MemoryContent(broker.changelogs[STATES].content(0)) if states is None else states,
        records=dict(broker.changelogs[RECORDS].content(0)),
        states_changelog=STATES,
        records_changelog=RECORDS,
        mark_done=broker.mark_done,
        observer=observer or Observer(),
        clock=clock or ManualClock(),
    )
    return PartitionTask(setup, SETTINGS.model_copy(update=changes), io)


@dataclass(frozen=True)
class Raw:
    """A record as aiokafka gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def raw(record: Record) -> Raw:
    return Raw(record.topic, record.partition, record.offset, record.timestamp_ms, record.key, record.value)


def stream(seed: int, count: int) -> list[Raw]:
    """So many records of a troublesome topic."""
    contents = enumerate(Stream(seed).contents(count))
    return [Raw(EVENTS_TOPIC, 0, offset, at_ms, key, value) for offset, (key, value, at_ms) in contents]


async def process(task: PartitionTask, records: Sequence[Raw], size: int = 1_000) -> None:
    """Have a lane process records of the events topic in chunks of a size."""
    for start in range(0, len(records), size):
        await task.process(TP_EVENTS, records[start : start + size], forwarded=False)


async def settled(rounds: int = 20) -> None:
    """Let every task go as far as it can without anything from outside."""
    for _ in range(rounds):
        await asyncio.sleep(0)


def outcome(broker: Broker, task: PartitionTask, without: Iterable[str] = ()) -> dict[str, object]:
    """What a run comes to: states, models, memory, and all that was delivered, whatever its order."""
    topics = {topic for topic, _, _ in broker.sent} - set(without)
    watermark_ms = task.partition.progress.watermark_ms
    states = {key: decode_state(blob)[1] for key, blob in broker.changelogs[STATES].content(0).items()}
    for state in states.values():
        state.applied, state.forwarded = 0, {}  # marks of delivery: a restart may count further
    return {
        # What is due to be forgotten may be there after a crash, until the watermark moves again.
        "states": {key: state for key, state in states.items() if state.last_ms > watermark_ms - KEPT_MS},
        "models": digest(task.partition.models),
        "memory": task.partition._memory.population,
        "windows": task.partition._memory.windows,
        "watermark": watermark_ms,
        # Counts of open panes are as of the barriers, wherever these were; the final ones are not.
        "sent": {topic: {v for v in broker.sent_to(topic) if b'"closed":false' not in v} for topic in topics},
    }

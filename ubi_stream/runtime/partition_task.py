"""One partition of one kind of entity at work: processes chunks, delivers effects at once, and holds the barrier.

The barrier's order is what makes a crash between any two steps harmless (`docs/delivery.md`):

1. all insights, forwards, dead letters and windows of the chunks are acknowledged by the broker;
2. the partition's record, with the last offset learned from, is in its changelog; profiles that it hands over to other
   partitions are sent from then on;
3. the states that changed are in theirs;
4. the chunks' offsets may be committed.

While a barrier waits for the broker, further chunks are processed: it concerns what was there when it was cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final, Protocol

import msgspec
import structlog
from faust.types import TP

from ubi_stream.clock import Clock
from ubi_stream.effects import Effects
from ubi_stream.errors import SnapshotError, StateStoreError
from ubi_stream.events.model import DeadLetter, Record
from ubi_stream.insights.encoding import (
    CONTENT_TYPE,
    encode_dead_letter,
    encode_features,
    encode_insight,
    encode_recommendation,
    encode_visit,
    encode_window,
)
from ubi_stream.insights.model import WindowCount
from ubi_stream.kafka.changelog_store import Content
from ubi_stream.kafka.outbox import DEAD_LETTERS_MAX_BYTES, Acknowledged, Change, Outbox, acknowledged
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.runtime.isolate import Batch, describe, isolate
from ubi_stream.runtime.pace import Pace
from ubi_stream.settings import Settings
from ubi_stream.state.identities import Handover

MAX_UNACKNOWLEDGED: Final = 5_000
"""Effects on their way to the broker; with more, processing waits: a slow broker must not fill the memory."""

TURNS: Final = 16
"""Turns of the loop that all others get after a batch. A barrier takes dozens, and an idle one costs a microsecond:
with one turn a batch, a worker that works off a backlog would commit nothing for seconds."""

OPEN_COUNTS_EVERY_S: Final = 5.0
"""How often counts of panes that are still open are sent: pages follow them, and the last ones are final anyway."""
SAVED_AT_ONCE: Final = 256
"""States that go to disk before other tasks get a turn: 3 ms."""
MAX_DEAD_LETTER_BYTES: Final = DEAD_LETTERS_MAX_BYTES - 16 * 1024
"""Key and value; the rest is room for what a producer puts around them."""


class TaskObserver(Protocol):
    """Who is told what a lane does: the metrics."""

    def processed(self, entity: str, effects: Effects, events: int, seconds: float) -> None:
        """A batch of so many events went through the pipeline."""

    def handed_over(self, seconds: float) -> None:
        """What a batch brought about is with the producer."""

    def delivered(self, latency_s: float) -> None:
        """The broker has an insight, so long after it got the event."""

    def barrier(self, seconds: float) -> None:
        """A barrier is through."""

    def offsets_missing(self, expired: int, empty: int) -> None:
        """The log of a source topic has a hole: of records that expired, of markers or by compaction."""

    def snapshot_problem(self, problem: SnapshotError) -> None:
        """Models can't be used, or not be written: they start fresh, or the ones before stay in the record."""


@dataclass(frozen=True, slots=True)
class TaskIO:
    """What a lane reads from and writes to.

    `states` and `records` are its partition's content of the two tables; `mark_done` is told what may be committed.
    """

    outbox: Outbox
    states: Content
    records: MutableMapping[bytes, bytes]
    states_changelog: str
    records_changelog: str
    mark_done: Callable[[TP, int], None]
    observer: TaskObserver
    clock: Clock


@dataclass(slots=True)
class _Checkpoint:
    """What a barrier is about, as of one moment between two chunks."""

    unacknowledged: list[Acknowledged]
    chunks: Sequence[Change]
    states: Sequence[Change]
    done: dict[TP, int] = field(default_factory=dict)
    open_counts: Sequence[WindowCount] = ()
    handovers: Sequence[Handover] = ()


class PartitionTask:
    """A partition at work. Chunks come one at a time; a barrier may run at the same time as the next chunks."""

    def __init__(self, setup: PartitionSetup, settings: Settings, io: TaskIO) -> None:
        self.setup = setup
        self._settings = settings
        self._io = io
        self.partition = self._build()
        self._report_snapshot_problem()
        self._unacknowledged: list[Acknowledged] = []
        self._since_checkpoint: list[Batch] = []
        self._events_since_checkpoint = 0
        self._done: dict[TP, int] = {}
        self._checkpoint_at_s = io.clock.monotonic_s()
        self._processing = asyncio.Lock()
        self._barrier = asyncio.Lock()
        self._closed = False
        self._open_counts_at_s = -inf
        self._log = structlog.get_logger("ubi_stream.lane")
        self._traces = settings.log_level == "debug"
        self._pace = Pace(most_events=settings.chunk_max_events, longest_s=settings.chunk_max_ms / 1000)

    async def process(self, tp: TP, raw: Sequence[Any], *, forwarded: bool) -> None:
        """Take a chunk through the pipeline, and send what comes of it."""
        start = 0
        while start < len(raw):
            part = raw[start : start + self._pace.events]
            async with self._processing:
                if self._closed:
                    return  # given up meanwhile: its next owner gets these records again
                await self._process_batch(tp, Batch(list(map(_record, part)), forwarded))
            start += len(part)
            await _give_way()
        if self._events_since_checkpoint >= self._settings.flush_max_events and not self._closed:
            await self.barrier()

    async def barrier(self) -> None:
        """Bring everything processed so far to the broker, in order, and allow its offsets to be committed."""
        async with self._barrier:
            async with self._processing:  # never while effects of a batch are still being handed over
                take_checkpoint = self._take_checkpoint()
            if take_checkpoint is None:
                return
            started_s = self._io.clock.monotonic_s()
            for count in take_checkpoint.open_counts:
                await self._send_count(count)
            await acknowledged(take_checkpoint.unacknowledged, within_s=self._settings.delivery_timeout_s)
            number = self.setup.partition
            await self._io.outbox.write(self._io.records_changelog, number, take_checkpoint.chunks)
            await self._hand_over(take_checkpoint.handovers)
            written = await self._io.outbox.write(self._io.states_changelog, number, take_checkpoint.states)
            for _ in self._io.states.save(SAVED_AT_ONCE):
                await asyncio.sleep(0)  # let the views answer
            self._io.states.commit(written)
            for tp, next_offset in take_checkpoint.done.items():
                self._io.mark_done(tp, next_offset)
            seconds = self._io.clock.monotonic_s() - started_s
            self._io.observer.barrier(seconds)

    async def close(self, *, flush: bool) -> None:
        """Take no more chunks; with `flush`, after a last barrier."""
        self._closed = True
        async with self._processing:
            pass  # what is being processed is flushed with the rest
        if flush:
            await self.barrier()
            if self.partition.to_send:
                await self.barrier()  # what the first one handed over is acknowledged, and in the checkpoint no more

    def is_due(self, now_s: float) -> bool:
        """Whether it is time for a barrier."""
        waits = self._done or len(self.partition.handovers)
        return bool(waits) and now_s - self._checkpoint_at_s >= self._settings.flush_interval_s

    def _build(self) -> Partition:
        return Partition(self.setup, self._io.states, self._io.records)

    async def _process_batch(self, tp: TP, batch: Batch) -> None:
        started_s = self._io.clock.monotonic_s()
        # Not what was learned from: before a crash that may have gone further than what is folded again by now.
        next_offset, size = batch.records[-1].offset + 1, len(batch.records)
        effects, batch = self._run(batch)
        seconds = self._io.clock.monotonic_s() - started_s
        self._pace.took(size, seconds)
        for part in effects:
            await self._deliver(part)
            self._io.observer.processed(self.setup.entity, part, size // len(effects), seconds / len(effects))
        self._io.observer.handed_over(self._io.clock.monotonic_s() - started_s - seconds)
        self._done[tp] = next_offset
        if batch.records:
            self._since_checkpoint.append(batch)
        self._events_since_checkpoint += len(batch.records)

    def _run(self, batch: Batch) -> tuple[list[Effects], Batch]:
        try:
            return [self.partition.pipeline.run(batch.records, forwarded=batch.forwarded)], batch
        except StateStoreError:
            raise  # no event is at fault
        except Exception as error:  # noqa: BLE001 - an event's content must never stop the partition
            first, last = batch.records[0], batch.records[-1]
            position = _position(first) | {"last_offset": last.offset}
            self._log.error("event_raised", entity=self.setup.entity, fault=describe(error), **position)
            self.partition, effects, batch = isolate(self._build, self._since_checkpoint, batch)
            return effects, batch

    async def _deliver(self, effects: Effects) -> None:
        settings = self._settings
        for insight in effects.insights:
            key = insight.user_id.encode()
            sent = await self._send(settings.insights_topic, key, encode_insight(insight), CONTENT_TYPE)
            sent.add_done_callback(_Latency(self._io, insight.received_ms))
            if self._traces:
                self._log.debug("insight", kind=insight.kind, insight_id=insight.id, trace_id=insight.trace_id)
        for forward in effects.forwards:
            topic = settings.repartition_topic(forward.entity)
            await self._send(topic, forward.key, forward.value, forward.headers)
        for letter in effects.dead_letters:
            await self._send(settings.dead_letters_topic, *_dead_letter(letter))
            if self._traces:
                self._log.debug("dead_letter", reason=letter.reason, **_position(letter.record))
        for window in effects.windows:
            await self._send_count(window)
        for visit in effects.visits:
            await self._send(settings.visits_topic, visit.user_id.encode(), encode_visit(visit))
        for record in effects.recommendations:
            await self._send(settings.recommendations_topic, record.user_id.encode(), encode_recommendation(record))
        for row in effects.features:
            await self._send(settings.features_topic, row.entity_id.encode(), encode_features(row))
        if len(self._unacknowledged) > MAX_UNACKNOWLEDGED:
            waiting, self._unacknowledged = self._unacknowledged, []  # a barrier may hand over more meanwhile
            await acknowledged(waiting, within_s=self._settings.delivery_timeout_s)

    async def _hand_over(self, handovers: Sequence[Handover]) -> None:
        """Send what the checkpoint has that was written just now; the next barrier waits for it."""
        topic = self._settings.repartition_topic(self.setup.entity)
        for one in handovers:
            await self._send(topic, one.key, one.value, one.all_headers())

    async def _send_count(self, count: WindowCount) -> None:
        key = f"{count.entity}/{count.partition}".encode()
        await self._send(self._settings.windows_topic, key, encode_window(count))

    async def _send(
        self, topic: str, key: bytes | None, value: bytes, headers: Sequence[tuple[str, bytes]] = ()
    ) -> Acknowledged:
        sent = await self._io.outbox.send(topic, key, value, headers)
        self._unacknowledged.append(sent)
        return sent

    def _take_checkpoint(self) -> _Checkpoint | None:
        """Encode what changed, between two chunks; None if nothing did."""
        self._checkpoint_at_s = self._io.clock.monotonic_s()
        if not self._done and not len(self.partition.handovers):
            return None
        chunks, states = self.partition.take_checkpoint()
        self._report_snapshot_problem()
        self._io.records.update(chunks)
        take_checkpoint = _Checkpoint(
            self._unacknowledged, list(chunks), states, self._done, self._open_counts(), self.partition.to_send
        )
        self._unacknowledged, self._done = [], {}
        self._since_checkpoint.clear()
        self._events_since_checkpoint = 0
        return take_checkpoint

    def _open_counts(self) -> Sequence[WindowCount]:
        """Counts of open panes, if it is time to send them."""
        now_s = self._io.clock.monotonic_s()
        if now_s < self._open_counts_at_s:
            return ()
        self._open_counts_at_s = now_s + OPEN_COUNTS_EVERY_S
        return self.partition.pipeline.windows.open_counts()

    def _report_snapshot_problem(self) -> None:
        if self.partition.snapshot_problem is not None:
            self._io.observer.snapshot_problem(self.partition.snapshot_problem)
            self.partition.snapshot_problem = None


class _Latency:
    """Tells how long an insight took from the broker's getting the event to its having the insight."""

    __slots__ = ("_io", "_received_ms")

    def __init__(self, io: TaskIO, received_ms: int) -> None:
        self._io = io
        self._received_ms = received_ms

    def __call__(self, sent: Acknowledged) -> None:
        if not sent.cancelled() and sent.exception() is None:
            self._io.observer.delivered((self._io.clock.now_ms() - self._received_ms) / 1000)


async def _give_way() -> None:
    """Let barriers go on, the producer send, and the views answer."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


def _dead_letter(letter: DeadLetter) -> tuple[bytes | None, bytes]:
    """Key and value for the topic: the whole record, or where that is too large, where it is."""
    encoded = encode_dead_letter(letter)
    if len(encoded) + len(letter.record.key or b"") <= MAX_DEAD_LETTER_BYTES:
        return letter.record.key, encoded
    message = f"{letter.message}; the record is too large to be kept here, and stays in its topic until that expires"
    bare = msgspec.structs.replace(letter.record, key=None, value=None, headers=())
    return None, encode_dead_letter(msgspec.structs.replace(letter, message=message, record=bare))


def _position(record: Record) -> dict[str, Any]:
    """Where a record is, for the log."""
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def _record(item: Any) -> Record:
    return Record(
        item.topic, item.partition, item.offset, item.timestamp, item.key, item.value, tuple(item.headers or ())
    )

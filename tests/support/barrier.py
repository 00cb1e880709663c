"""Simulates workers that crash: partitions over logs that survive, with the barrier's order of writes.

What a broker would keep (`Cluster`, `Durable`) outlives a crash; what a `PartitionTask` has in memory does not. Every
write is a step, and a crash may come before any of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from support.probe import EVENTS_TOPIC
from ubi_stream.checkpoint import newer_chunk
from ubi_stream.effects import Effects
from ubi_stream.events.model import Record
from ubi_stream.ids import short_hash
from ubi_stream.insights.encoding import (
    encode_dead_letter,
    encode_features,
    encode_insight,
    encode_recommendation,
    encode_visit,
    encode_window,
)
from ubi_stream.kafka.changelog_store import ChangelogStore, Content, PartitionedContent
from ubi_stream.models.common.digest import digest
from ubi_stream.packs.schema import Pack
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.state.codec import Tombstone, decode_state, newer_state
from ubi_stream.state.identities import Handover
from ubi_stream.state.inactivity import GRACE_MS

Position = tuple[str, int]
"""Topic and offset, within one partition."""


class CrashError(Exception):
    """The worker is gone, with all that it had in memory."""


@dataclass(slots=True)
class Chance:
    """Decides, by its seed, when a worker crashes and how it cuts the stream.

    Without a seed nothing is disturbed: one chunk size, one barrier each time, writes in order.
    """

    seed: int | None = None
    crashes: int = 4
    _random: Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)

    def step(self, likelihood: float) -> None:
        """Crash here, perhaps."""
        if self.seed is not None and self.crashes and self._random.random() < likelihood:
            self.crashes -= 1
            raise CrashError

    def chunk_size(self) -> int:
        return 16 if self.seed is None else self._random.choice([1, 2, 5, 16, 60])

    def is_barrier(self) -> bool:
        return self.seed is None or self._random.random() < 0.4

    def overlaps(self) -> bool:
        """Whether the next chunk is processed while a barrier waits for the broker."""
        return self.seed is not None and self._random.random() < 0.3

    def shuffled(self, items: Iterable[Any]) -> list[Any]:
        listed = list(items)
        if self.seed is not None:
            self._random.shuffle(listed)
        return listed


@dataclass(slots=True)
class Durable:
    """What is in the broker for one lane: changelogs of states and record, committed offsets."""

    states: PartitionedContent = field(default_factory=partial(PartitionedContent, newer_state))
    states_log: list[tuple[bytes, bytes | Tombstone]] = field(default_factory=list)
    record: PartitionedContent = field(default_factory=partial(PartitionedContent, newer_chunk))
    committed: Counter[str] = field(default_factory=Counter)


class Cluster:
    """Logs of all topics and everything delivered; each insight's contents by its id."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.logs: dict[tuple[str, int], list[Record]] = defaultdict(list)
        self.insights: dict[str, set[bytes]] = defaultdict(set)
        self.windows: set[bytes] = set()
        self.visits: dict[str, set[bytes]] = defaultdict(set)
        self.recommendations: dict[str, set[bytes]] = defaultdict(set)
        self.features: set[bytes] = set()
        self.dead_letters: set[bytes] = set()
        self.counts: Counter[str] = Counter()

    def append(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        headers: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        log = self.logs[topic, partition]
        log.append(Record(topic, partition, len(log), timestamp_ms, key, value, headers))

    def partition_of(self, key: bytes | None) -> int:
        return short_hash(repr(key)) % self.partitions


@dataclass(slots=True)
class _Cut:
    chunks: list[tuple[bytes, bytes]]
    states: list[tuple[bytes, bytes | Tombstone]]
    committed: Counter[str]
    handovers: Sequence[Handover] = ()


class PartitionTask:
    """One partition of one entity, through any number of crashes."""

    def __init__(
        self,
        cluster: Cluster,
        pack: Pack,
        entity: str,
        number: int,
        chance: Chance,
        *,
        states_first: bool = False,
        store: ChangelogStore | None = None,
    ) -> None:
        self.durable = Durable()
        self.restarts = 0
        self._cluster = cluster
        self._chance = chance
        self._states_first = states_first
        self._table = PartitionedContent(newer_state, store)
        self.restored = 0
        self._setup = PartitionSetup(
            pack=pack, entity=entity, partition=number, epoch=11, seed=3, snapshot_key=b"key", cache_size=4
        )
        self._order: list[Position] = []
        self._pending: _Cut | None = None
        self._start()

    def read(self, positions: Sequence[Position]) -> None:
        """Process these, and whatever a crash meanwhile makes necessary, up to a last barrier."""
        self._order.extend(positions)
        while True:
            try:
                self._work()
            except CrashError:
                self.restarts += 1
                self._start()
            else:
                return

    def outcome(self) -> dict[str, object]:
        """Everything that a run comes to, in a form that can be compared."""
        partition = self._partition
        plan, watermark_ms = partition.pipeline.plan, partition.progress.watermark_ms
        states = {key.decode(): decode_state(blob)[1] for key, blob in self.durable.states.content(0).items()}
        # What is due to be forgotten may still be there after a crash, until the watermark moves again.
        due_ms = watermark_ms - plan.retention_ms - GRACE_MS
        states = {entity_id: state for entity_id, state in states.items() if state.last_ms > due_ms}
        for state in states.values():
            # Marks of delivery, not content. A forward that came twice moves offsets on; a record whose end was lost in
            # a crash keeps counting.
            state.forwarded, state.applied = {}, 0
        return {
            "states": states,
            "models": digest(partition.models),
            "population": partition._memory.population,
            "windows": partition._memory.windows,
            "watermark": watermark_ms,
        }

    def _start(self) -> None:
        """A worker as after a start: tables from their changelogs, positions from the committed offsets."""
        self._partition = Partition(self._setup, self._restored(), dict(self.durable.record.content(0)))
        self._pending = None
        self._at: Counter[str] = Counter(self.durable.committed)
        self._todo = [(topic, offset) for topic, offset in self._order if offset >= self.durable.committed[topic]]

    def _restored(self) -> Content:
        """What a restore makes of the changelog: all of it, or what is not on disk yet."""
        number, log = self._setup.partition, self.durable.states_log
        self._table.drop(number)
        self._states = states = self._table.content(number)
        start = states.resume(0, len(log))
        for key, blob in log[start:]:
            self._table.apply(number, key, blob)
        states.commit(range(start, len(log)))
        self.restored += len(log) - start
        return states

    def _work(self) -> None:
        self._todo = [(topic, offset) for topic, offset in self._order if offset >= self._at[topic]]
        while self._todo:
            self._process()
            if self._pending is not None:
                self._write()
            elif self._chance.is_barrier():
                self._cut()
                if not (self._todo and self._chance.overlaps()):
                    self._write()
        self._cut()
        self._write()

    def _process(self) -> None:
        """One chunk of one topic, and the delivery of what it brings about."""
        topic = self._todo[0][0]
        size = self._chance.chunk_size()
        chunk: list[int] = []
        while self._todo and self._todo[0][0] == topic and len(chunk) < size:
            chunk.append(self._todo.pop(0)[1])
        log = self._cluster.logs[topic, self._setup.partition]
        effects = self._partition.pipeline.run([log[offset] for offset in chunk], forwarded=topic != EVENTS_TOPIC)
        self._at[topic] = chunk[-1] + 1
        self._deliver(effects)

    def _deliver(self, effects: Effects) -> None:
        cluster = self._cluster
        for forward in effects.forwards:
            self._chance.step(0.005)
            origin = dict(forward.headers)
            cluster.append(
                f"{EVENTS_TOPIC}.by-{forward.entity}",
                cluster.partition_of(forward.key),
                forward.key,
                forward.value,
                int(origin["ubi-source-time"]),
                forward.headers,
            )
        deliveries: list[tuple[set[bytes], bytes]] = [
            *((cluster.insights[insight.id], encode_insight(insight)) for insight in effects.insights),
            *((cluster.windows, encode_window(window)) for window in effects.windows),
            *((cluster.visits[visit.user_id], encode_visit(visit)) for visit in effects.visits),
            *((cluster.recommendations[one.user_id], encode_recommendation(one)) for one in effects.recommendations),
            *((cluster.features, encode_features(row)) for row in effects.features),
            *((cluster.dead_letters, encode_dead_letter(letter)) for letter in effects.dead_letters),
        ]
        for topic, content in self._chance.shuffled(deliveries):
            self._chance.step(0.005)
            topic.add(content)

    def _cut(self) -> None:
        chunks, states = self._partition.take_checkpoint()
        self._pending = _Cut(chunks, states, Counter(self._at), self._partition.to_send)

    def _write(self) -> None:
        """The rest of a barrier: record, then states, then commit."""
        assert self._pending is not None, "a barrier begins with a cut"
        cut, self._pending = self._pending, None
        if self._states_first:
            self._write_states(cut)
        self._write_record(cut)
        self._hand_over(cut.handovers)
        if not self._states_first:
            self._write_states(cut)
        self._chance.step(0.2)
        self.durable.committed = cut.committed

    def _write_record(self, cut: _Cut) -> None:
        for key, chunk in cut.chunks:
            self._chance.step(0.04)
            self.durable.record.apply(0, key, chunk)

    def _hand_over(self, handovers: Sequence[Handover]) -> None:
        for one in handovers:
            self._chance.step(0.1)
            topic, partition = f"{EVENTS_TOPIC}.by-user", self._cluster.partition_of(one.key)
            at_ms = int(dict(one.headers)["ubi-source-time"])
            self._cluster.append(topic, partition, one.key, one.value, at_ms, one.all_headers())

    def _write_states(self, cut: _Cut) -> None:
        start = len(self.durable.states_log)
        by_key = {key: [change for other, change in cut.states if other == key] for key, _ in cut.states}
        in_any_order = self._chance.shuffled(by_key)  # but those of one key in theirs
        for key, blob in [(name, change) for name in in_any_order for change in by_key[name]]:
            self._chance.step(0.04)
            self.durable.states.apply(0, key, blob)
            self.durable.states_log.append((key, blob))
        self._chance.step(0.04)
        self._states.commit(range(start, len(self.durable.states_log)))

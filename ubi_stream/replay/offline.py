"""The same pipeline without Kafka: a file in, insights out, in one process.

Records are partitioned, ordered and given offsets as the topics would, so the insights are those of a worker that
reads the same file from Kafka with the same settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from ubi_stream.data.records import ProducerRecord
from ubi_stream.effects import Effects, Forward, Tally
from ubi_stream.events.decode import Decode, decode
from ubi_stream.events.model import Record
from ubi_stream.kafka.partitioner import partition_of as hashed_partition
from ubi_stream.metrics.reports import detectors_of, reports_of
from ubi_stream.metrics.status import DetectorReport, ModelReport
from ubi_stream.packs.privacy_filter import filter_of
from ubi_stream.packs.schema import Pack
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.settings import Settings

OFFLINE_EPOCH = 0
_CUT_EVERY = 50
"""Batches between two cuts: some seconds, as between two barriers."""


def partition_of(key: bytes | None, offset: int, partitions: int) -> int:
    """Partition of a key as Kafka's clients choose it; a record without a key goes round."""
    return offset % partitions if key is None else hashed_partition(key, partitions)


class OfflineRun:
    """Runs a pack over records, with as many partitions as the settings say.

    Parameters
    ----------
    pack, settings
        As a worker would have them.
    now_ms
        Processing time that stands for the broker's: events further ahead of it are dead letters.
    owner_partition
        Partition that a user's id belongs to, for records that come from a topic; None takes their key for it.
    decode
        How records become the fields of events: as ours, unless they come from a topic in a sender's form.

    Attributes
    ----------
    tally
        Counts over all records of the events topic.
    """

    def __init__(
        self,
        pack: Pack,
        settings: Settings,
        *,
        now_ms: int,
        owner_partition: Callable[[bytes], int] | None = None,
        decode: Decode = decode,
    ) -> None:
        self._pack = pack
        self._settings = settings
        self._now_ms = now_ms
        self._owner_partition = owner_partition
        self._decode = decode
        self._privacy = filter_of(pack, settings)
        self._batches = 0
        self._offsets: dict[tuple[str, int], int] = {}
        self._states: dict[tuple[str, int], dict[bytes, bytes]] = {}
        self._partitions = {
            (entity.name, number): self._partition(entity.name, number)
            for entity in pack.entities
            for number in range(settings.partitions)
        }
        self.tally = Tally()
        self._placed_items: dict[tuple[int, int], ProducerRecord] = {}

    def run(self, records: Iterable[ProducerRecord]) -> Iterator[Effects]:
        """Process records in batches; yields what each batch brings about, forwards included."""
        iterator = iter(records)
        batch_size = self._settings.chunk_max_events * self._settings.partitions
        while batch := list(islice(iterator, batch_size)):
            placed = [self._placed(item) for item in batch]
            self._placed_items = {
                (record.partition, record.offset): item for record, item in zip(placed, batch, strict=True)
            }
            yield from self.run_batch(placed)

    def item_of(self, record: Record) -> ProducerRecord | None:
        """What a record of the batch that ran last was made of; None for one of another topic."""
        if record.topic != self._settings.events_topic:
            return None
        return self._placed_items.get((record.partition, record.offset))

    def run_batch(self, batch: Iterable[Record]) -> Iterator[Effects]:
        """Process records of the events topic that have their places there already, each partition's in order."""
        by_partition: dict[int, list[Record]] = {}
        for record in batch:
            by_partition.setdefault(record.partition, []).append(record)
        forwards: list[Forward] = []
        for number, records in by_partition.items():
            effects = self._partitions["user", number].pipeline.run(records, forwarded=False)
            self.tally.add(effects.tally)
            forwards += effects.forwards
            yield effects
        yield from self._run_forwards(forwards)
        while handed_over := self._handed_over():
            yield from self._run_forwards(handed_over)
        self._batches += 1
        if self._batches % _CUT_EVERY == 0:
            self._cut()

    def users(self) -> int:
        """Users whose state is kept."""
        self._cut()
        return sum(len(states) for (entity, _), states in self._states.items() if entity == "user")

    def model_reports(self) -> list[ModelReport]:
        """Return how good each model was, as a worker reports it."""
        return reports_of((entity, number, found.models) for (entity, number), found in self._partitions.items())

    def detector_reports(self) -> list[DetectorReport]:
        """Return how the anomaly detectors of each partition stand."""
        return detectors_of((entity, number, found.models) for (entity, number), found in self._partitions.items())

    def partition(self, entity: str, number: int) -> Partition:
        """One of the partitions, to look into."""
        return self._partitions[entity, number]

    def _cut(self) -> None:
        """Encode changed states, as a barrier does: decoded, they take seven times the memory."""
        for partition in self._partitions.values():
            partition.store.take_changes()

    def _partition(self, entity: str, number: int) -> Partition:
        setup = PartitionSetup(
            pack=self._pack,
            entity=entity,
            partition=number,
            epoch=OFFLINE_EPOCH,
            seed=self._settings.seed,
            snapshot_key=b"offline runs write no snapshots",
            erasure_key=self._settings.erasure_key.get_secret_value().encode(),
            cache_size=self._settings.state_cache_of_a_partition,
            owner_partition=self._owner_partition,
            decode=self._decode,
            privacy=self._privacy,
        )
        states = self._states[entity, number] = {}
        return Partition(setup, states, {})

    def _placed(self, item: ProducerRecord) -> Record:
        topic = self._settings.events_topic
        count = self._offsets.get((topic, -1), 0)
        self._offsets[topic, -1] = count + 1
        return self._record(topic, partition_of(item.key, count, self._settings.partitions), item.key, item.value, ())

    def _run_forwards(self, forwards: list[Forward]) -> Iterator[Effects]:
        by_partition: dict[tuple[str, int], list[Record]] = {}
        for forward in forwards:
            number = partition_of(forward.key, 0, self._settings.partitions)
            topic = self._settings.repartition_topic(forward.entity)
            record = self._record(topic, number, forward.key, forward.value, forward.headers)
            by_partition.setdefault((forward.entity, number), []).append(record)
        again: list[Forward] = []
        for task, records in by_partition.items():
            effects = self._partitions[task].pipeline.run(records, forwarded=True)
            if task[0] == "user":
                self.tally.add(effects.tally)
            again += effects.forwards
            yield effects
        if again:
            yield from self._run_forwards(again)

    def _handed_over(self) -> list[Forward]:
        """Profiles and events that are due to another user's partition, because ids were merged."""
        waiting = (self._partitions["user", number].handovers.take() for number in range(self._settings.partitions))
        return [Forward("user", one.key, one.value, one.all_headers()) for part in waiting for one in part]

    def _record(
        self, topic: str, number: int, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
    ) -> Record:
        offset = self._offsets.get((topic, number), 0)
        self._offsets[topic, number] = offset + 1
        return Record(topic, number, offset, self._now_ms, key, value, headers)

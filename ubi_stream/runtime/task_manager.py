"""All lanes of a worker: opened when partitions are restored, flushed and closed before they are given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Final, NoReturn

import structlog
from faust.types import TP

from ubi_stream.clock import Clock
from ubi_stream.errors import DeliveryError, StateStoreError
from ubi_stream.kafka.outbox import Outbox
from ubi_stream.kafka.partitioner import partition_of
from ubi_stream.kafka.table import PartitionedTable
from ubi_stream.kafka.transport import ChunkConsumer, Records
from ubi_stream.mappings.live import decoder_of
from ubi_stream.packs.privacy_filter import filter_of
from ubi_stream.packs.schema import Pack
from ubi_stream.partition import PartitionSetup
from ubi_stream.reasons import FailStopReason
from ubi_stream.runtime.partition_task import PartitionTask, TaskIO, TaskObserver
from ubi_stream.settings import Settings

_KNOWN_HOMES: Final = 65_536
"""Users whose partition is remembered: murmur2 in Python takes 5 µs."""
Trip = Callable[[FailStopReason, BaseException], NoReturn]


class TaskManager:
    """One lane for each kind of entity and partition that this worker owns.

    Parameters
    ----------
    epochs
        Source epoch by entity.
    states, records
        The tables by entity.
    trip
        Ends the worker: what goes wrong here must not be passed over.

    Attributes
    ----------
    on_change
        Called when lanes were opened, before they are given up, and after: counts of a lane begin and end there.
    """

    def __init__(  # noqa: PLR0913 - named by keyword, each of its own kind
        self,
        pack: Pack,
        settings: Settings,
        *,
        epochs: Mapping[str, int],
        states: Mapping[str, PartitionedTable],
        records: Mapping[str, PartitionedTable],
        outbox: Outbox,
        observer: TaskObserver,
        clock: Clock,
        trip: Trip,
    ) -> None:
        self._pack = pack
        self._settings = settings
        self._epochs = epochs
        self._states = states
        self._records = records
        self._outbox = outbox
        self._observer = observer
        self._clock = clock
        self._trip = trip
        self._tasks: dict[tuple[str, int], PartitionTask] = {}
        self._log = structlog.get_logger("ubi_stream.lanes")
        self._task_of_topic = {settings.repartition_topic(entity.name): entity.name for entity in pack.entities}
        self._decode = decoder_of(settings)
        self._privacy = filter_of(pack, settings)
        self._owner_partition = lru_cache(_KNOWN_HOMES)(partial(partition_of, partitions=settings.partitions))
        self.consumer: ChunkConsumer | None = None
        self.on_change: Callable[[], None] = lambda: None

    def __iter__(self) -> Iterator[PartitionTask]:
        return iter(self._tasks.values())

    def get(self, entity: str, partition: int) -> PartitionTask | None:
        """A lane of this worker; None for a partition that is not here."""
        return self._tasks.get((entity, partition))

    async def process(self, tp: TP, records: Records) -> None:
        """Take in a chunk of a source topic."""
        entity = self._task_of_topic.get(tp.topic)
        task = self._tasks.get((entity or "user", tp.partition))
        if task is None:
            return  # given up after the chunk was fetched: the next owner gets it
        try:
            await task.process(tp, records, forwarded=entity is not None)
        except Exception as error:  # noqa: BLE001 - an agent that raises would lose the chunk
            self._trip(_reason(error) or FailStopReason.PROCESSING_FAILED, error)

    async def open(self, partitions: set[int]) -> None:
        """Set up lanes on restored tables."""
        for entity, number in [key for key in self._tasks if key[1] not in partitions]:
            self._drop(entity, number)  # opened for an assignment that another one overtook
        for entity in self._epochs:
            for number in sorted(partitions):
                self._tasks[entity, number] = self._task(entity, number)
                await asyncio.sleep(0)
        self.on_change()

    async def close(self, partitions: Iterable[int], *, within_s: float) -> None:
        """Flush lanes and give them up. What can't be flushed in time is processed again by the next owner."""
        leaving = {key: task for key, task in self._tasks.items() if key[1] in set(partitions)}
        try:
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(task.close(flush=True) for task in leaving.values()))
        except TimeoutError:
            self._log.warning("flush_timed_out", partitions=sorted({key[1] for key in leaving}), seconds=within_s)
        self.on_change()
        for entity, number in leaving:
            self._drop(entity, number)
        self.on_change()

    async def keep_flushing(self) -> None:
        """Start each lane's barrier when it is due; for ever."""
        pause_s = min(0.25, self._settings.flush_interval_s / 4)
        while True:
            await asyncio.sleep(pause_s)
            now_s = self._clock.monotonic_s()
            due = [task for task in self._tasks.values() if task.is_due(now_s)]
            try:
                await asyncio.gather(*(task.barrier() for task in due))
            except Exception as error:  # noqa: BLE001 - a barrier that fails must not be taken for one that is through
                self._trip(_reason(error) or FailStopReason.DELIVERY_FAILED, error)

    def _task(self, entity: str, number: int) -> PartitionTask:
        states, records = self._states[entity], self._records[entity]
        setup = PartitionSetup(
            pack=self._pack,
            entity=entity,
            partition=number,
            epoch=self._epochs[entity],
            seed=self._settings.seed,
            snapshot_key=self._settings.snapshot_key.get_secret_value().encode(),
            erasure_key=self._settings.erasure_key.get_secret_value().encode(),
            cache_size=self._settings.state_cache_of_a_partition,
            owner_partition=self._owner_partition,
            decode=self._decode,
            privacy=self._privacy,
        )
        io = TaskIO(
            outbox=self._outbox,
            states=states.content(number),
            records=records.content(number),
            states_changelog=states.changelog,
            records_changelog=records.changelog,
            mark_done=self._mark_done,
            observer=self._observer,
            clock=self._clock,
        )
        return PartitionTask(setup, self._settings, io)

    def _drop(self, entity: str, number: int) -> None:
        self._tasks.pop((entity, number), None)
        self._states[entity].drop(number)
        self._records[entity].drop(number)

    def _mark_done(self, tp: TP, next_offset: int) -> None:
        if self.consumer is not None:
            self.consumer.mark_done(tp, next_offset)


def _reason(error: Exception) -> FailStopReason | None:
    """Why a worker ends with this error; None if it does not say."""
    if isinstance(error, StateStoreError):
        return FailStopReason.STATE_STORE_FAILED
    return FailStopReason.DELIVERY_FAILED if isinstance(error, DeliveryError) else None

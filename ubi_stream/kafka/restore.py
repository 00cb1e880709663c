"""Reads changelogs back into tables: with a consumer of its own, so nothing of it can get between the events.

The end is read from the broker before, and it is reached when the position is: an empty, compacted or trimmed
changelog, or a transaction marker at its end, can't hold a restore up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from ubi_stream.clock import Clock
from ubi_stream.errors import RecoveryError
from ubi_stream.kafka.changelog_store import PartitionedContent, value_of

_MAX_RECORDS: Final = 2_000
"""Records applied before other tasks get a turn: about 5 ms."""
_LOG_EVERY_S: Final = 5.0
_RETRY_S: Final = 0.25
"""Pause before a restore begins again that a broker which went away has interrupted."""


@dataclass(slots=True)
class RestoreProgress:
    """How far a restore has come. `total` counts offsets, of which compaction may have removed some.

    `interrupted` is the name of the error that made it begin again, the last one if there were several.
    """

    running: bool = False
    done: int = 0
    total: int = 0
    records: int = 0
    quarantined: int = 0
    seconds: float = 0.0
    interrupted: str = ""

    @property
    def share(self) -> float:
        """Share that is done, in [0, 1]."""
        return self.done / self.total if self.total else 1.0

    @property
    def eta_s(self) -> float | None:
        """Seconds that the rest takes at the pace so far; None before anything is done."""
        if not self.running:
            return 0.0
        return self.seconds * (self.total - self.done) / self.done if self.done else None

    def describe(self) -> str:
        """How far it is, for a person."""
        if not self.total:
            return "state is being restored"
        left = "" if self.eta_s is None else f", about {self.eta_s:.0f} s left"
        return f"state is being restored: {self.share:.0%} of {self.total} records{left}"


def is_cancelled() -> bool:
    """Whether somebody cancelled this task. Where nobody did, a `CancelledError` is of something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _passes(error: KafkaError | asyncio.CancelledError) -> bool:
    """Whether it passes when the broker is back."""
    if isinstance(error, asyncio.CancelledError):
        return not is_cancelled()  # of a fetch of the client's own
    return bool(error.retriable) or isinstance(error, KafkaTimeoutError)


async def _stop(consumer: AIOKafkaConsumer) -> None:
    try:
        await consumer.stop()
    except asyncio.CancelledError:  # while the broker is away, `stop()` ends with its own fetch's (aiokafka 0.14)
        if is_cancelled():
            raise
        await consumer._client.close()


class Restorer:
    """Restores partitions of tables.

    Parameters
    ----------
    client_options
        Of every Kafka client.
    on_quarantine
        Told of each record that can't be read: its topic. It is left out, and the record before it stands.
    """

    def __init__(
        self,
        client_options: Mapping[str, Any],
        clock: Clock,
        *,
        deadline_s: float,
        on_quarantine: Callable[[str], None] = lambda _topic: None,
    ) -> None:
        self._client_options = client_options
        self._clock = clock
        self._deadline_s = deadline_s
        self._on_quarantine = on_quarantine
        self._log = structlog.get_logger("ubi_stream.restore")
        self.progress = RestoreProgress()

    async def restore(
        self,
        tables: Mapping[str, PartitionedContent],
        partitions: set[int],
        *,
        ends: Mapping[TopicPartition, int] | None = None,
    ) -> None:
        """Restore partitions of the tables, given by changelog topic: up to where they end now, or to given ends.

        It begins again while the broker is away: a worker that ended instead would have to load and join first.

        Raises
        ------
        RecoveryError
            It took longer than the deadline, or the broker refuses.
        """
        # One that a rebalance cancelled may still be ending: each has its own.
        progress = self.progress = RestoreProgress(running=True)
        started_s = self._clock.monotonic_s()
        try:
            attempt = partial(self._restore, tables, partitions, ends, progress)
            async with asyncio.timeout(self._deadline_s):
                await self._through_outages(attempt, progress)
        except TimeoutError as error:
            last = f", last interrupted by {progress.interrupted}" if progress.interrupted else ""
            raise RecoveryError(
                f"state could not be restored within {self._deadline_s:.0f} s ({progress.share:.0%} done{last}): "
                "is the broker away or slow, or UBI_RECOVERY_DEADLINE_S too short for this much state?"
            ) from error
        except KafkaError as error:
            raise RecoveryError(f"state could not be restored: {type(error).__name__} {error}") from error
        finally:
            progress.running = False
            progress.seconds = self._clock.monotonic_s() - started_s

    async def _through_outages(self, attempt: Callable[[], Awaitable[None]], progress: RestoreProgress) -> None:
        while True:
            try:
                return await attempt()
            except (KafkaError, asyncio.CancelledError) as error:
                if not _passes(error):
                    raise
                interrupted = type(error).__name__
            if not progress.interrupted:  # said once: the client tells of each attempt to connect
                self._log.warning("restore_interrupted", error=interrupted)
            progress.interrupted = interrupted
            await asyncio.sleep(_RETRY_S)

    async def _restore(
        self,
        tables: Mapping[str, PartitionedContent],
        partitions: set[int],
        ends: Mapping[TopicPartition, int] | None,
        progress: RestoreProgress,
    ) -> None:
        progress.done = progress.total = progress.records = progress.quarantined = 0
        assigned = [TopicPartition(topic, number) for topic in tables for number in sorted(partitions)]
        for tp in assigned:
            tables[tp.topic].drop(tp.partition)
        if not assigned:
            return
        consumer = AIOKafkaConsumer(
            **self._client_options,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        try:
            await consumer.start()
            consumer.assign(assigned)
            starts = await consumer.beginning_offsets(assigned)
            wanted = await consumer.end_offsets(assigned) if ends is None else ends
            # What a table has kept on disk is not read again.
            starts = {tp: tables[tp.topic].content(tp.partition).resume(starts[tp], wanted[tp]) for tp in assigned}
            await self._read(consumer, tables, (starts, wanted), progress)
        finally:
            await _stop(consumer)

    async def _read(
        self,
        consumer: AIOKafkaConsumer,
        tables: Mapping[str, PartitionedContent],
        offsets: tuple[Mapping[TopicPartition, int], Mapping[TopicPartition, int]],
        progress: RestoreProgress,
    ) -> None:
        starts, ends = offsets
        progress.total = sum(max(0, ends[tp] - starts[tp]) for tp in ends)
        left = {tp for tp in ends if ends[tp] > starts[tp]}
        positions = starts
        started_s = logged_s = self._clock.monotonic_s()
        for tp in ends:
            consumer.seek(tp, starts[tp])
        if idle := set(ends) - left:
            consumer.pause(*idle)
        while left:
            for tp, records in (await consumer.getmany(*left, timeout_ms=500, max_records=_MAX_RECORDS)).items():
                # What was written since the ends were asked for is another moment's.
                self._apply(tables[tp.topic], tp, [record for record in records if record.offset < ends[tp]], progress)
            before, positions = positions, {tp: min(await consumer.position(tp), ends[tp]) for tp in left}
            for tp, position in positions.items():
                tables[tp.topic].content(tp.partition).commit(range(before[tp], position))
            finished = {tp for tp in left if positions[tp] >= ends[tp]}
            left -= finished
            if finished:
                consumer.pause(*finished)
            progress.done = progress.total - sum(ends[tp] - positions[tp] for tp in left)
            now_s = self._clock.monotonic_s()
            progress.seconds = now_s - started_s
            if now_s - logged_s > _LOG_EVERY_S:
                logged_s = now_s
                self._tell(progress)
            await asyncio.sleep(0)

    def _tell(self, progress: RestoreProgress) -> None:
        eta_s = None if progress.eta_s is None else round(progress.eta_s, 1)
        self._log.info(
            "restoring", percent=round(100 * progress.share, 1), records=progress.records, seconds_left=eta_s
        )

    def _apply(
        self, table: PartitionedContent, tp: TopicPartition, records: list[Any], progress: RestoreProgress
    ) -> None:
        for record in records:
            try:
                table.apply(tp.partition, record.key, value_of(record))
            except RecoveryError as error:
                progress.quarantined += 1
                self._on_quarantine(tp.topic)
                self._log.error(
                    "changelog_record_unreadable",
                    topic=tp.topic,
                    partition=tp.partition,
                    offset=record.offset,
                    message=str(error),
                )
        progress.records += len(records)

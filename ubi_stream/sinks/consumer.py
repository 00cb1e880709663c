"""Carries the topics of insights, dead letters, windows and visits to a sink, in a consumer group of its own.

The sink, not Kafka, says how far a partition has come: the consumer seeks to the sink's offset whenever it is given a
partition. Kafka's committed offset is only for whoever looks at the group's lag. While the sink is away, the topics
are the buffer: nothing is read on, and the group's membership is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import aiokafka
import structlog
from aiokafka.errors import IllegalStateError, KafkaConnectionError, KafkaError, KafkaTimeoutError

from ubi_stream.clock import Clock
from ubi_stream.errors import BrokerUnavailableError
from ubi_stream.sinks.base import (
    DeadLetterRow,
    InsightRow,
    InsightSink,
    NullObserver,
    Position,
    RecommendationErasureRow,
    RecommendationRow,
    SinkBatch,
    SinkBehindError,
    SinkObserver,
    TopicPartition,
    VisitErasureRow,
    VisitRow,
    WindowRow,
)
from ubi_stream.sinks.database import backoff_s
from ubi_stream.sinks.decode import Reader

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)

_MAX_RECORDS = 1_000
"""Records of one transaction: some 10 ms of this process's time, so the views on the same loop stay quick."""

_LINGER_S = 0.05
"""Least time between two small transactions: at a trickle, each insight would otherwise cost a disk flush."""

_POLL_MS = 500

_KEEPALIVE_S = 10.0
"""Longest time without a poll; the client leaves the group after 300 s without one."""

_STOP_STEP_S = 0.6
"""Longest time of each of the three steps of a stop: last commit, leaving the group, closing connections."""

_MAX_LOGGED = 10
"""Refused rows of one batch that get a line of their own in the log; the observer counts them all."""

_TRANSIENT = (KafkaTimeoutError, IllegalStateError)
"""Errors that the client does not call retriable, but are: a slow broker, and a rebalance between two calls."""


class SinkConsumer:
    """Reads topics and writes them to a sink until told to stop.

    Parameters
    ----------
    client_options
        Arguments of `aiokafka.AIOKafkaConsumer`: bootstrap servers and security.
    group_id
        Of this consumer alone, such as `<app_id>-sink`.
    readers
        What makes a row of each topic's records (`decode.read_insight`, …). All these topics must exist.
    sink
        Where the rows go.
    """

    def __init__(
        self,
        *,
        client_options: Mapping[str, object],
        group_id: str,
        readers: Mapping[str, Reader],
        sink: InsightSink,
        clock: Clock,
        observer: SinkObserver | None = None,
    ) -> None:
        self._client_options = dict(client_options)
        self._group_id = group_id
        self._readers = dict(readers)
        self._sink = sink
        self._clock = clock
        self._observer = observer or NullObserver()
        self._consumer: Any = None
        # Where the next stretch of each partition starts. A partition that was just assigned is not in it yet.
        self._positions: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}

    def lag(self) -> int | None:
        """Records of this consumer's partitions that are not stored yet; None while it does not know its partitions."""
        if not self._positions:
            return None
        behind = 0
        for key in set(_for_kafka(self._positions)) & self._consumer.assignment():
            end = max(self._ends[key], self._consumer.highwater(key) or 0)
            behind += max(0, end - self._positions[key])
        return behind

    async def run(self, stop: asyncio.Event) -> None:
        """Carry records until `stop` is set, then leave within 2 s. What is under way is stored whole or not at all.

        Raises
        ------
        BrokerUnavailableError
            Kafka can't be reached at the start. Later the client itself waits for it to come back.
        """
        self._consumer = await self._start()
        carrying = asyncio.create_task(self._carry(), name="sink-carry")
        stopping = asyncio.create_task(stop.wait(), name="sink-stop")
        try:
            await asyncio.wait({carrying, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if carrying.done():
                carrying.result()  # it ends by itself only with an error
        finally:
            for task in (carrying, stopping):
                task.cancel()
            await asyncio.gather(carrying, stopping, return_exceptions=True)
            await self._leave()

    async def _start(self) -> Any:
        options = {
            "client_id": self._group_id,
            **self._client_options,
            "group_id": self._group_id,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "fetch_max_wait_ms": 200,  # after a seek, the fetch under way has to end before the next one
        }
        consumer = aiokafka.AIOKafkaConsumer(**options)
        consumer.subscribe(list(self._readers), listener=_ForgetOnRevoke(self._positions))
        try:
            await consumer.start()
        except KafkaConnectionError as error:
            await consumer.stop()
            servers = self._client_options.get("bootstrap_servers")
            raise BrokerUnavailableError(f"Kafka at {servers} can't be reached by the writer to Postgres") from error
        return consumer

    async def _leave(self) -> None:
        # Leaving only quickens the next rebalance: a broker that is away must not hold up the stop.
        await _within(_STOP_STEP_S, self._commit(self._positions))
        self._positions.clear()
        await _within(_STOP_STEP_S, self._consumer.stop())
        # While the broker is away, stop() ends with the CancelledError of a fetch (aiokafka 0.14), before this:
        await _within(_STOP_STEP_S, self._consumer._client.close())

    async def _carry(self) -> None:
        failures = 0
        while True:
            try:
                await self._carry_one_poll()
            except (SinkBehindError, KafkaError) as error:
                if not (getattr(error, "retriable", False) or isinstance(error, _TRANSIENT)):
                    raise
                # What was polled is not stored: every partition is looked up and sought again.
                self._positions.clear()
                _log.warning("sink_starts_over", error=type(error).__name__, attempts=failures + 1)
                await asyncio.sleep(backoff_s(failures))
                failures += 1
            else:
                failures = 0

    async def _carry_one_poll(self) -> None:
        wanted = _for_kafka(self._positions)  # none of them yet: all, and what comes is read again below
        polled = await self._consumer.getmany(*wanted, timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
        records = {
            partition: found
            for partition, found in ((TopicPartition(*key), found) for key, found in polled.items())
            if partition in self._positions  # else it was given or taken while we polled
        }
        if records:
            await self._store(records)
            await self._commit({one: self._positions[one] for one in records if one in self._positions})
        await self._seek_new_partitions()
        if 0 < sum(map(len, records.values())) < _MAX_RECORDS // 2:
            await asyncio.sleep(_LINGER_S)

    async def _seek_new_partitions(self) -> None:
        new = {TopicPartition(*key) for key in self._consumer.assignment()} - self._positions.keys()
        if not new:
            return
        stored = await self._waiting(self._sink.next_offsets(new))
        ends = {TopicPartition(*key): end for key, end in (await self._consumer.end_offsets(_for_kafka(new))).items()}
        beginnings = await self._consumer.beginning_offsets(_for_kafka(new))
        made_anew = [partition for partition, offset in stored.items() if offset > ends[partition]]
        if made_anew:
            _log.warning("topic_made_anew", partitions=[f"{one.topic}-{one.partition}" for one in made_anew])
            await self._waiting(self._sink.forget(made_anew))
        for key in self._consumer.assignment() & set(_for_kafka(new)):  # it may have changed meanwhile
            partition, beginning = TopicPartition(*key), beginnings[key]
            position = beginning if partition in made_anew else stored.get(partition, beginning)
            if position < beginning:
                _log.error("records_expired", topic=key.topic, partition=key.partition, lost=beginning - position)
                self._observer.records_expired(key.topic, beginning - position)
            self._consumer.seek(key, max(position, beginning))
            self._positions[partition] = position
            self._ends[partition] = ends[partition]

    async def _store(self, records: Mapping[TopicPartition, Sequence[Any]]) -> None:
        started_s = self._clock.monotonic_s()
        batch = self._read(records)
        result = await self._waiting(self._sink.write(batch))
        for partition, offset in batch.next_offsets.items():
            if partition in self._positions:  # else it was taken away while the rows were written
                self._positions[partition] = offset
        for rejected in result.rejected[:_MAX_LOGGED]:
            _log.error("row_refused", code=rejected.code, **rejected.row.position._asdict())
        self._observer.batch_written(result, self._clock.monotonic_s() - started_s)

    def _read(self, records: Mapping[TopicPartition, Sequence[Any]]) -> SinkBatch:
        visits: list[VisitRow | VisitErasureRow] = []  # in one list: their order counts
        recommendations: list[RecommendationRow | RecommendationErasureRow] = []
        rows: dict[type, list[Any]] = {
            InsightRow: [],
            DeadLetterRow: [],
            WindowRow: [],
            VisitRow: visits,
            VisitErasureRow: visits,
            RecommendationRow: recommendations,
            RecommendationErasureRow: recommendations,
        }
        for partition, found in records.items():
            reader = self._readers[partition.topic]
            unreadable: list[int] = []
            for record in found:
                row = reader(record.value, Position(*partition, record.offset))
                if row is None:
                    unreadable.append(record.offset)
                else:
                    rows[type(row)].append(row)
            if unreadable:
                _log.error("records_unreadable", **partition._asdict(), first=unreadable[0], count=len(unreadable))
                self._observer.records_skipped(partition.topic, len(unreadable))
        return SinkBatch(
            starts={partition: self._positions[partition] for partition in records},
            next_offsets={partition: found[-1].offset + 1 for partition, found in records.items()},
            insights=tuple(rows[InsightRow]),
            dead_letters=tuple(rows[DeadLetterRow]),
            windows=tuple(rows[WindowRow]),
            visits=tuple(visits),
            recommendations=tuple(recommendations),
        )

    async def _waiting(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Await the sink, however long it is away, without leaving the group and without reading on."""
        task = asyncio.create_task(work)
        try:
            while not (await asyncio.wait({task}, timeout=_KEEPALIVE_S))[0]:
                self._consumer.pause(*self._consumer.assignment())
                await self._consumer.getmany()  # gives nothing: it only shows the client that its owner is alive
            self._consumer.resume(*self._consumer.paused())
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)  # let the transaction roll back

    async def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        try:
            if offsets:
                await self._consumer.commit(dict(zip(_for_kafka(offsets), offsets.values(), strict=True)))
        except KafkaError as error:  # the sink's offset is the one that counts
            _log.debug("lag_not_published", error=type(error).__name__)


class _ForgetOnRevoke(aiokafka.ConsumerRebalanceListener):  # type: ignore[misc]  # the client has no types
    """Drops what is known of partitions that are taken away: whoever has them next asks the sink."""

    def __init__(self, positions: dict[TopicPartition, int]) -> None:
        self._positions = positions

    def on_partitions_revoked(self, revoked: Iterable[object]) -> None:
        self._positions.clear()  # the protocol takes all partitions away at each rebalance

    def on_partitions_assigned(self, assigned: Iterable[object]) -> None:
        return None  # sought by the carrying task: a callback that waits for a database would stall the group


async def _within(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """Do what can be done of it in that time; how it ends does not matter."""
    task = asyncio.create_task(work)
    await asyncio.wait({task}, timeout=seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _for_kafka(partitions: Iterable[TopicPartition]) -> list[Any]:
    return [aiokafka.TopicPartition(*partition) for partition in partitions]

"""Changelogs without a broker: what stands in them, and who reads them."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from support.lanes import Raw
from ubi_stream.state.codec import Tombstone, encode_header, encode_state
from ubi_stream.state.model import UserState

STATES_TOPIC, RECORDS_TOPIC = "t-user_states-changelog", "t-user_partitions-changelog"


def state(offset: int, *, epoch: int = 1) -> bytes:
    return encode_state(UserState(applied=offset), epoch=epoch, offset=offset)


def forgotten(offset: int) -> Tombstone:
    return Tombstone(encode_header(UserState(applied=offset), epoch=1, offset=offset))


class Log:
    """Stands in for aiokafka's consumer: changelogs as lists, where compaction has left holes."""

    def __init__(self, logs: dict[TopicPartition, list[Raw]], *, trimmed: int = 0, markers: int = 0) -> None:
        self.logs = logs
        self.trimmed = trimmed
        self.markers = markers
        self.positions: dict[TopicPartition, int] = {}
        self.stopped = False
        self.starts = 0
        self.away = False
        self.breaks = False
        self.stuck = False
        self.refusal: KafkaError | None = None
        self.cut_off = False
        self._client = self  # the client beneath

    async def start(self) -> None:
        self.starts += 1
        if self.away:
            raise KafkaConnectionError("gone")
        if self.refusal is not None:
            raise self.refusal

    async def stop(self) -> None:
        if self.cut_off:
            self.cut_off = False
            raise asyncio.CancelledError
        self.stopped = True

    async def close(self) -> None:
        self.stopped = True

    def assign(self, partitions: list[TopicPartition]) -> None: ...

    def pause(self, *partitions: TopicPartition) -> None: ...

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.trimmed)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._end(tp) for tp in partitions}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    async def position(self, tp: TopicPartition) -> int:
        return self.positions[tp]

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int, max_records: int) -> dict[Any, list[Raw]]:
        if self.stuck:
            await asyncio.sleep(60)
        if self.breaks and any(self.positions.values()):
            self.breaks = False
            raise KafkaTimeoutError
        found = {}
        for tp in partitions:
            records = [record for record in self.logs.get(tp, []) if record.offset >= self.positions[tp]][:3]
            found[tp] = records
            last = not records or records[-1] is self.logs[tp][-1]
            self.positions[tp] = self._end(tp) if last else records[-1].offset + 1
        return found

    def _end(self, tp: TopicPartition) -> int:
        log = self.logs.get(tp)
        return (log[-1].offset + 1 if log else self.trimmed) + self.markers


def changelog(*written: tuple[int, bytes | None, bytes | None]) -> list[Raw]:
    return [Raw(STATES_TOPIC, 0, offset, 0, key, value) for offset, key, value in written]

"""Reads single dead letters from their topic."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ubi_stream.errors import BrokerUnavailableError

READ_WITHIN_S: Final = 20.0
_POLL_MS: Final = 500
_MAX_BYTES: Final = 8 * 1024 * 1024


class KafkaLetters:
    """Reads records by their places, with a consumer that lives for one list."""

    def __init__(self, client_options: Mapping[str, Any]) -> None:
        self._options = dict(client_options)

    async def read(self, places: Sequence[tuple[str, int, int]]) -> list[bytes | None]:
        """Values at topic, partition and offset; None where a record is there no longer.

        Raises
        ------
        BrokerUnavailableError
            No broker answers in time.
        """
        consumer = AIOKafkaConsumer(
            **self._options, enable_auto_commit=False, auto_offset_reset="none", max_partition_fetch_bytes=_MAX_BYTES
        )
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                await consumer.start()
                return await _read(consumer, places)
        except (KafkaError, TimeoutError) as error:
            raise BrokerUnavailableError(f"dead letters can't be read from Kafka ({type(error).__name__})") from error
        finally:
            await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, places: Sequence[tuple[str, int, int]]) -> list[bytes | None]:
    wanted: dict[TopicPartition, list[int]] = {}
    for topic, partition, offset in places:
        wanted.setdefault(TopicPartition(topic, partition), []).append(offset)
    consumer.assign(list(wanted))
    starts, ends = await consumer.beginning_offsets(list(wanted)), await consumer.end_offsets(list(wanted))
    found: dict[tuple[str, int, int], bytes | None] = {}
    needed = frozenset(places)
    for tp, offsets in wanted.items():
        consumer.pause(*(other for other in wanted if other != tp))
        consumer.resume(tp)
        there = sorted({offset for offset in offsets if starts[tp] <= offset < ends[tp]})
        position = -1
        for offset in there:
            if offset < position:
                continue  # it was read on the way
            consumer.seek(tp, offset)
            position = offset
            while position <= offset:
                records = (await consumer.getmany(tp, timeout_ms=_POLL_MS)).get(tp, [])
                for record in records:
                    place = (tp.topic, tp.partition, record.offset)
                    if place in needed:
                        found[place] = record.value
                    position = record.offset + 1
                if not records:
                    position = await consumer.position(tp)
    return [found.get(place) for place in places]

"""A hole in a partition's offsets: is it in the log itself, or would events be passed over?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from ubi_stream.errors import ContiguityError

_WAIT_S: Final = 30.0


class Hole(NamedTuple):
    """Offsets that the log does not have: `expired` of them were records once, the others never, or were compacted."""

    expired: int
    empty: int


async def check_gap(client_options: Mapping[str, Any], topic: str, partition: int, expected: int, found: int) -> Hole:
    """Read the partition again from where the hole begins, with another consumer.

    Transaction markers, compaction and retention leave holes: then the log has no record before `found`.

    Raises
    ------
    ContiguityError
        The log has a record in the hole, or the broker doesn't say.
    """
    tp = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(
        **client_options, enable_auto_commit=False, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        consumer.assign([tp])
        start = (await consumer.beginning_offsets([tp]))[tp]
        consumer.seek(tp, expected)
        records = (await consumer.getmany(tp, timeout_ms=int(_WAIT_S * 1000), max_records=1)).get(tp, [])
    finally:
        await consumer.stop()
    if not records or records[0].offset < found:
        raise ContiguityError(
            f"{topic}, partition {partition}: offsets {expected} to {found - 1} were not delivered; the worker ends, "
            "so that its next start reads them"
        )
    expired = max(0, min(start, found) - expected)
    structlog.get_logger("ubi_stream.gaps").warning(
        "offsets_missing_in_log", topic=topic, partition=partition, first=expected, last=found - 1, expired=expired
    )
    return Hole(expired, found - expected - expired)

"""The first two stages as one pass over a batch of records: decode, validate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from ubi_stream.events.decode import decode
from ubi_stream.events.model import DeadLetter, Event, Headers, Origin, Record, Unwanted
from ubi_stream.events.validate import Validator

ORIGIN_TOPIC: Final = "ubi-source-topic"
ORIGIN_PARTITION: Final = "ubi-source-partition"
ORIGIN_OFFSET: Final = "ubi-source-offset"
ORIGIN_TIME: Final = "ubi-source-time"


def read_events(records: Iterable[Record], validator: Validator) -> Iterator[Event | DeadLetter | Unwanted]:
    """One outcome for each record, in order."""
    for record in records:
        data = decode(record)
        if isinstance(data, DeadLetter):
            yield data
        else:
            yield validator.validate(data, record, origin_of(record.headers))


def origin_of(headers: Sequence[tuple[str, bytes]]) -> Origin | None:
    """Where a forwarded record entered the system; None for a record that was not forwarded.

    Headers that are not ours, or not whole, count as none: a producer can't make us trust a position.
    """
    if not headers:
        return None
    values = dict(headers)
    try:
        return Origin(
            values[ORIGIN_TOPIC].decode("ascii"),
            int(values[ORIGIN_PARTITION]),
            int(values[ORIGIN_OFFSET]),
            int(values[ORIGIN_TIME]),
        )
    except (KeyError, ValueError):
        return None


def origin_headers(origin: Origin) -> Headers:
    """Headers that carry an event's origin over a repartition topic."""
    return (
        (ORIGIN_TOPIC, origin.topic.encode()),
        (ORIGIN_PARTITION, str(origin.partition).encode()),
        (ORIGIN_OFFSET, str(origin.offset).encode()),
        (ORIGIN_TIME, str(origin.timestamp_ms).encode()),
    )

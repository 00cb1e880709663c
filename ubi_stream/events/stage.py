"""The first two stages as one pass over a batch of records: decode, validate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ubi_stream.events.decode import decode
from ubi_stream.events.model import DeadLetter, Event, Headers, Origin, Record, Unwanted
from ubi_stream.events.validate import Validator

ORIGIN_TOPIC: Final = "ubi-source-topic"
ORIGIN_PARTITION: Final = "ubi-source-partition"
ORIGIN_OFFSET: Final = "ubi-source-offset"
ORIGIN_TIME: Final = "ubi-source-time"


@dataclass(slots=True)
class Read:
    """Outcomes of a batch of records, each kind in order."""

    events: list[Event] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    unwanted: list[Unwanted] = field(default_factory=list)


def read_events(records: Iterable[Record], validator: Validator, *, forwarded: bool) -> Read:
    """Decode and validate records; `forwarded` says that they come from a repartition topic."""
    read = Read()
    for record in records:
        data = decode(record)
        if isinstance(data, DeadLetter):
            read.dead_letters.append(data)
            continue
        outcome = validator.validate(data, record, origin_of(record) if forwarded else None)
        if isinstance(outcome, Event):
            read.events.append(outcome)
        elif isinstance(outcome, DeadLetter):
            read.dead_letters.append(outcome)
        else:
            read.unwanted.append(outcome)
    return read


def origin_of(record: Record) -> Origin:
    """Where a record of a repartition topic entered the system: by its headers, else right there."""
    values = dict(record.headers)
    try:
        return Origin(
            values[ORIGIN_TOPIC].decode("ascii"),
            int(values[ORIGIN_PARTITION]),
            int(values[ORIGIN_OFFSET]),
            int(values[ORIGIN_TIME]),
        )
    except (KeyError, ValueError):
        return Origin(record.topic, record.partition, record.offset, record.timestamp_ms)


def origin_headers(origin: Origin) -> Headers:
    """Headers that carry an event's origin over a repartition topic."""
    return (
        (ORIGIN_TOPIC, origin.topic.encode()),
        (ORIGIN_PARTITION, str(origin.partition).encode()),
        (ORIGIN_OFFSET, str(origin.offset).encode()),
        (ORIGIN_TIME, str(origin.timestamp_ms).encode()),
    )

"""What comes in, and what it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from ubi_stream.events.identity import IdentityChange
from ubi_stream.events.verdict import Label
from ubi_stream.privacy.consent import WithheldReason
from ubi_stream.privacy.filter import PropertyFinding
from ubi_stream.reasons import DeadLetterReason

Headers = tuple[tuple[str, bytes], ...]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record as it lies in the log: nothing is known about its value yet.

    `timestamp_ms` is when the broker got it: processing time that replays the same.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where an event entered the system. For a forwarded record that is not where it was read."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int

    @property
    def event_id(self) -> str:
        """Id of an event that brought none."""
        return f"{self.topic}-{self.partition}-{self.offset}"


class ForwardSource(NamedTuple):
    """The partition that forwarded a record, as "topic/partition", and the offset there of what it forwarded.

    One sender forwards in the order of its offsets, so the last one seen tells which forwards came twice. The origin
    does not: two events of one origin may come over two partitions, and the later one first.
    """

    source: str
    offset: int


class Event(msgspec.Struct, frozen=True, gc=False):
    """A valid behaviour event.

    Times are Unix milliseconds. `topic`, `partition` and `offset` are where it was read, `origin` is where it entered;
    `sender` is who forwarded it from there to here, None for an event that was read where it entered.
    """

    event_id: str
    event_time_ms: int
    event_type: str
    user_id: str
    session_id: str | None
    properties: dict[str, Any]
    context: dict[str, Any]
    trace_id: str | None
    topic: str
    partition: int
    offset: int
    origin: Origin
    sender: ForwardSource | None
    raw: bytes
    """The value as it came: what is forwarded."""
    verdict: Label | None = None
    """What a person says; None for behaviour, and for labels that the stream brings."""
    rewritten: bool = False
    """Whether `raw` is not as it came, but the event in our own form, without what a privacy filter hid."""
    is_named: bool = True
    """Whether it brought its id. What has its position for one can't be sent twice."""
    identity: IdentityChange | None = None
    """What a command says about who is whom; None for all other events."""
    carried: bytes = b""
    """The encoded state that a partition handed over with it."""
    shared: Mapping[str, float] = {}
    """Scores of other entities that it took along; they are among the properties."""


class DeadLetter(msgspec.Struct, frozen=True):
    """A record that could not be processed: whole, with the reason, the JSON path and a sentence for a person."""

    reason: DeadLetterReason
    path: str
    message: str
    record: Record


class NotKept(msgspec.Struct, frozen=True):
    """An event of somebody who gave no consent, or is not to be tracked: it is counted, and nothing of it is kept."""

    reason: WithheldReason
    record: Record


class Findings(msgspec.Struct, frozen=True):
    """Personal data that was found in a record: in which property, by which rule, and what was done."""

    found: tuple[PropertyFinding, ...]
    record: Record


class Unwanted(msgspec.Struct, frozen=True):
    """An event of a type that the pack says to drop."""

    event_type: str
    record: Record

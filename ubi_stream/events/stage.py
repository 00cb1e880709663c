"""The first two stages as one pass over a batch of records: decode, validate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from ubi_stream.events.decode import Decode, decode
from ubi_stream.events.decode import decode as decode_own_form
from ubi_stream.events.hiding import OWN_FORM_HEADER, hidden_letter, read_hidden
from ubi_stream.events.model import (
    DeadLetter,
    Event,
    Findings,
    ForwardSource,
    Headers,
    NotKept,
    Origin,
    Record,
    Unwanted,
)
from ubi_stream.events.validate import Validator
from ubi_stream.packs.privacy_filter import COMMAND_IDS
from ubi_stream.packs.schema import ERASE_TYPE, RESERVED_TYPES
from ubi_stream.privacy.filter import PrivacyFilter
from ubi_stream.privacy.rules import PrivacyRules

ORIGIN_TOPIC: Final = "ubi-source-topic"
ORIGIN_PARTITION: Final = "ubi-source-partition"
ORIGIN_OFFSET: Final = "ubi-source-offset"
ORIGIN_TIME: Final = "ubi-source-time"
SENDER: Final = "ubi-sender"
"""Written where the sender is not the origin: by a partition that forwards what was forwarded to it."""
_DEFAULT: Final = PrivacyFilter(PrivacyRules(), ids=COMMAND_IDS, commands=RESERVED_TYPES)
USER: Final = "ubi-user"
"""Id whose event it counts as, where that is not the one in the value: the other id was merged into this one."""
SHARED: Final = "ubi-scores"
"""Scores of other entities that an event takes along to its user, as a JSON object."""
STATE: Final = "ubi-state"
"""Encoded state that is handed over with a command."""
IDENTITY_LANE: Final = "/identity"
"""Ending of a sender's name for records that it sends once its checkpoint has them: they have an order of their own."""
_decode_scores = msgspec.json.Decoder(dict[str, float]).decode
_MAX_INT32: Final = 2**31 - 1
_MAX_INT64: Final = 2**63 - 1


@dataclass(slots=True)
class ReadBatch:
    """Outcomes of a batch of records, each kind in order; and how many fields were ignored that no event has.

    `findings` are about records of any outcome.
    """

    events: list[Event] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    unwanted: list[Unwanted] = field(default_factory=list)
    not_kept: list[NotKept] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    unknown_fields: int = 0


def read_events(
    records: Iterable[Record],
    validator: Validator,
    *,
    forwarded: bool,
    decode: Decode = decode,
    privacy: PrivacyFilter = _DEFAULT,
) -> ReadBatch:
    """Decode, hide and validate records; `forwarded` says that they come from a repartition topic."""
    read, fields_before, mapped = ReadBatch(), validator.unknown_fields, decode is not decode_own_form
    for record in records:
        found = read_hidden(record, decode, privacy)
        if isinstance(found, DeadLetter):
            read.dead_letters.append(found)
        elif isinstance(found, Unwanted):
            read.unwanted.append(found)
        elif isinstance(found, NotKept):
            read.not_kept.append(found)
        else:
            data, clean, findings = found
            sent = _sent(record) if forwarded else None
            origin, sender = (position_of(record), None) if sent is None else (sent.origin, sent.sender)
            outcome = validator.validate(data, clean, origin, sender)
            if isinstance(outcome, Event):
                if sent is not None and sent.user_id:
                    outcome = msgspec.structs.replace(outcome, user_id=sent.user_id, carried=sent.state)
                if sent is not None and sent.shared:
                    outcome = _with_scores(outcome, sent.shared, validator.exchanged)
                read.events.append(outcome)
            elif isinstance(outcome, DeadLetter):
                read.dead_letters.append(hidden_letter(outcome, privacy, data, mapped=mapped))
            else:
                read.unwanted.append(outcome)
            if findings is not None and not forwarded:
                read.findings.append(findings)
    read.unknown_fields = validator.unknown_fields - fields_before
    return read


def up_to_commands(
    events: Iterable[Event], refers_back: Callable[[Event, list[Event]], bool] = lambda _event, _part: True
) -> Iterator[list[Event]]:
    """Cut a batch before each person's label, erasure and identity command: they refer to all events before them.

    `refers_back` says of an identity command whether it does, with the events since the last cut.

    >>> from ubi_stream.events.verdict import Label
    >>> def event(verdict: Label | None) -> Event:
    ...     at = Origin("events", 0, 0, 0)
    ...     return Event("e", 0, "t", "u", None, {}, {}, None, "events", 0, 0, at, None, b"", verdict)
    >>> label = Label(None, None, positive=True)
    >>> [len(part) for part in up_to_commands([event(None), event(None), event(label), event(None), event(label)])]
    [2, 2, 1]
    """
    part: list[Event] = []
    for event in events:
        is_command = event.verdict is not None or event.event_type == ERASE_TYPE
        if part and (is_command or (event.identity is not None and refers_back(event, part))):
            yield part
            part = []
        part.append(event)
    if part:
        yield part


def position_of(record: Record) -> Origin:
    """Where a record was read."""
    return Origin(record.topic, record.partition, record.offset, record.timestamp_ms)


def entry_headers(event: Event) -> Headers:
    """Headers that tell the next partition where an event entered the system, and what it takes along."""
    origin = event.origin
    headers: Headers = (
        (ORIGIN_TOPIC, origin.topic.encode()),
        (ORIGIN_PARTITION, str(origin.partition).encode()),
        (ORIGIN_OFFSET, str(origin.offset).encode()),
        (ORIGIN_TIME, str(origin.timestamp_ms).encode()),
    )
    if event.rewritten:
        headers = (*headers, OWN_FORM_HEADER)
    if event.shared:
        headers = (*headers, (SHARED, msgspec.json.encode(dict(event.shared))))
    return headers


def forward_headers(event: Event) -> Headers:
    """Headers of an event that is forwarded: where it entered the system, and who sends it on."""
    headers = entry_headers(event)
    if event.sender is None:
        return headers
    sent = (*headers, (SENDER, f"{event.topic}/{event.partition}/{event.offset}".encode()))
    return (*sent, (USER, event.user_id.encode())) if is_handed_over(event) else sent


def is_handed_over(event: Event) -> bool:
    """Whether another user's partition handed the event over, with its state or because the ids were merged."""
    return event.sender is not None and event.sender.source.endswith(IDENTITY_LANE)


class _Sent(NamedTuple):
    """What the headers of a record say."""

    origin: Origin
    sender: ForwardSource
    user_id: str = ""
    state: bytes = b""
    shared: bytes = b""


def _sent(record: Record) -> _Sent:
    """Origin and sender of a record of a repartition topic; one without good headers entered right there."""
    # A later header of one name wins. Kafka allows headers without a value.
    values = {name: value or b"" for name, value in record.headers}
    try:
        origin = Origin(
            values[ORIGIN_TOPIC].decode("ascii"),
            _whole(values[ORIGIN_PARTITION], most=_MAX_INT32),
            _whole(values[ORIGIN_OFFSET]),
            _whole(values[ORIGIN_TIME]),
        )
        shared = values.get(SHARED, b"")
        if SENDER not in values:
            return _Sent(origin, ForwardSource(f"{origin.topic}/{origin.partition}", origin.offset), shared=shared)
        source, _, offset = values[SENDER].decode("ascii").rpartition("/")
        user_id, state = values.get(USER, b"").decode(), values.get(STATE, b"")
        return _Sent(origin, ForwardSource(source, _whole(offset)), user_id, state, shared)
    except (KeyError, ValueError):
        here = position_of(record)
        return _Sent(here, ForwardSource(f"{here.topic}/{here.partition}", here.offset))


def _with_scores(event: Event, header: bytes, names: frozenset[str]) -> Event:
    """Take the scores of other entities into an event's properties; those alone that the pack exchanges."""
    try:
        found = _decode_scores(header)
    except msgspec.DecodeError:
        return event  # nobody but a partition writes the header: an event without scores is better than none
    shared = {name: value for name, value in found.items() if name in names and 0.0 <= value <= 1.0}
    return msgspec.structs.replace(event, properties={**event.properties, **shared}, shared=shared)


def _whole(text: bytes | str, *, most: int = _MAX_INT64) -> int:
    """A number as Kafka has them. Anybody may write a header: a larger one could not be stored in the record."""
    number = int(text)
    if not 0 <= number <= most:
        raise ValueError(f"{number} is out of range")
    return number

"""From a request to events that are checked and ready for Kafka, each call by itself. Pure: nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from ubi_stream.collector.identity import SENT_TYPES
from ubi_stream.collector.registry import Dialect
from ubi_stream.collector.request import (
    Call,
    CollectorRequest,
    Ignored,
    Ready,
    Reception,
    Refusal,
    Row,
    wrong_type,
)
from ubi_stream.events.hiding import found_header
from ubi_stream.events.model import DeadLetter, Event, Headers, Record
from ubi_stream.events.stage import read_events
from ubi_stream.events.validate import Validator
from ubi_stream.mappings.ids import content_id
from ubi_stream.mappings.mapper import Mapper, encode_event
from ubi_stream.mappings.model import Mapping as MappingFile
from ubi_stream.packs.privacy_filter import privacy_filter
from ubi_stream.packs.schema import RESERVED_TYPES, Pack
from ubi_stream.privacy.filter import PrivacyFilter
from ubi_stream.reasons import DeadLetterReason

DIALECT_HEADER: Final = "ubi-dialect"
"""Header of a dead letter whose value is a call in a sender's form: which one."""
SOURCE_HEADER: Final = "ubi-collector-source"
MAX_KEPT_BYTES: Final = 512 * 1024
"""A refused call that is larger is set aside without its value."""
_MAX_KEPT_OF_REQUEST: Final = 4 * 1024 * 1024
"""All refused calls of one request: a batch whose context is large must not be multiplied by its calls."""
_COMMANDS: Final = RESERVED_TYPES - SENT_TYPES
"""What no public key may send: an erasure and a label have routes of their own, for roles of their own."""
_UNENCODABLE: Final = (TypeError, ValueError, RecursionError)


class Accepted(msgspec.Struct, frozen=True):
    """An event for the events topic.

    Attributes
    ----------
    key
        Of its record: the user's id; where two ids become one user the id that goes, so that this is in the order of
        that id's own events.
    urgent
        Whether it waits for no others.
    headers
        What was hidden, for the worker's report: it finds nothing there any more.
    """

    event_id: str
    event_type: str
    value: bytes
    key: bytes
    urgent: bool = False
    headers: Headers = ()


class Rejected(msgspec.Struct, frozen=True):
    """A call that can't become an event, and the record for the dead-letter topic."""

    letter: DeadLetter

    @property
    def reason(self) -> str:
        return self.letter.reason.value


class Left(msgspec.Struct, frozen=True):
    """A call that is accepted and leaves no event: no behaviour, not wanted by the pack, or withheld."""

    why: str


Outcome = Accepted | Rejected | Left


class Read(msgspec.Struct, frozen=True):
    """What became of the calls of a request, in their order, and the name that the sender gave each, if any."""

    outcomes: list[Outcome]
    names: list[str | None]


class Intake:
    """Reads requests of one source for one pack.

    Parameters
    ----------
    pack
        Its events are what is accepted.
    source
        Name of where the events come from: the ingest key's.
    mappings
        How the calls of a dialect become events, by the dialect's name.
    hash_key
        Keys the hashes of what is hidden.
    privacy
        Hides what must not be kept; the pack's filter unless given.
    """

    def __init__(
        self,
        pack: Pack,
        *,
        source: str,
        mappings: Mapping[str, MappingFile],
        hash_key: bytes = b"",
        privacy: PrivacyFilter | None = None,
    ) -> None:
        self._validator = Validator.of(pack)
        self._urgent = frozenset(pack.events.critical)
        self._amount = pack.events.roles.amount or "amount"
        self._topic = f"collector/{source}"
        self._source = source
        self._hash_key = hash_key
        self._privacy = privacy_filter(pack, key=hash_key, source=source) if privacy is None else privacy
        self._mappings = mappings
        self._mappers: dict[str, Mapper] = {}

    def read(self, dialect: Dialect, request: CollectorRequest) -> Read:
        """Read all calls of a request.

        Raises
        ------
        BadRequestError
            The body as a whole can't be read.
        """
        at = Reception(request.received_ms, self._hash_key, self._amount)
        calls = dialect.split(request)
        kept = _BodyBudget(_MAX_KEPT_OF_REQUEST)
        return Read([self.read_call(dialect, call, at, kept) for call in calls], [dialect.name_of(c) for c in calls])

    def read_call(self, dialect: Dialect, call: object, at: Reception, kept: _BodyBudget | None = None) -> Outcome:
        """Read one call, whole as `Dialect.split` gives it."""
        kept = kept or _BodyBudget(MAX_KEPT_BYTES)
        if not isinstance(call, dict):
            return self._refuse(dialect, call, wrong_type("", "an object"), at, kept)
        found = dialect.read(call, at)
        if isinstance(found, Refusal):
            return self._refuse(dialect, call, found, at, kept)
        if isinstance(found, Ignored):
            return Left(found.why)
        event = self._event(dialect, found, at)
        if event is None:
            return Left("left_out")
        if event.get("event_type") in _COMMANDS:  # whatever the sender's own name for an event is
            refusal = Refusal(DeadLetterReason.INVALID_VALUE, "$.event_type", "a command: only behaviour is taken")
            return self._refuse(dialect, call, refusal, at, kept)
        try:
            return self._checked(dialect.name, event, at)
        except _UNENCODABLE:
            refusal = Refusal(DeadLetterReason.TOO_DEEP, "$", "the event can't be written as JSON")
            return self._refuse(dialect, call, refusal, at, kept)

    def read_event(self, event: dict[str, Any], received_ms: int) -> Outcome:
        """Check an event in our own form that comes again: a dead letter's, repaired."""
        return self._checked("own", event, Reception(received_ms))

    def _event(self, dialect: Dialect, call: Call, at: Reception) -> dict[str, Any] | None:
        """The event of a call in our own form; None where the mapping leaves it out."""
        if isinstance(call, Ready):
            return call.event
        assert isinstance(call, Row), "the other kinds are handled before"
        mapper = self._mapper(dialect)
        if not mapper.keeps(call.values):
            return None
        event, _ = next(mapper.events(call.values))
        event["event_time"] = at.received_ms if call.event_time is None else call.event_time
        if call.sent_at is not None:
            event["sent_at"] = call.sent_at
        return event

    def _mapper(self, dialect: Dialect) -> Mapper:
        found = self._mappers.get(dialect.name)
        if found is None:
            found = self._mappers[dialect.name] = Mapper(self._mappings[dialect.name], key=self._hash_key)
        return found

    def _checked(self, name: str, event: dict[str, Any], at: Reception) -> Outcome:
        """Check an event by the same code as the worker does, and write it as the worker will read it."""
        if event.get("event_id") is None:
            content = {field: value for field, value in event.items() if field not in ("event_id", "sent_at")}
            event = event | {"event_id": content_id(f"collector/{name}", encode_event(content))}
        record = self._record(encode_event(event), at.received_ms)
        read = read_events([record], self._validator, forwarded=False, privacy=self._privacy)
        if read.dead_letters:
            return Rejected(read.dead_letters[0])
        if read.not_kept:
            return Left(read.not_kept[0].reason)
        if not read.events:
            return Left("unwanted")
        headers = tuple(found_header(one.found) for one in read.findings)
        return self._accepted(read.events[0], event, headers)

    def _accepted(self, found: Event, event: dict[str, Any], headers: Headers) -> Accepted:
        value = found.raw
        if "sent_at" in event:  # what it says of the sender's clock is true now, and not when a broker is late
            kept: dict[str, Any] = msgspec.json.decode(value)
            settled = {name: member for name, member in kept.items() if name != "sent_at"}
            value = encode_event(settled | {"event_time": found.event_time_ms})
        urgent = found.event_type in self._urgent
        return Accepted(found.event_id, found.event_type, value, found.user_id.encode(), urgent, headers)

    def _refuse(self, dialect: Dialect, call: object, refusal: Refusal, at: Reception, kept: _BodyBudget) -> Rejected:
        shown = call if refusal.kept is None else refusal.kept
        record = self._record(kept.take(shown, self._privacy), at.received_ms, dialect)
        message = self._privacy.clean_text(refusal.message)
        return Rejected(DeadLetter(refusal.reason, refusal.path, message, record))

    def _record(self, value: bytes | None, received_ms: int, dialect: Dialect | None = None) -> Record:
        """A record that lies nowhere yet: its place is named by its content, so that what is sent twice is one."""
        place = int.from_bytes(blake2b(value or b"", digest_size=8).digest(), "big") >> 1
        headers = [(SOURCE_HEADER, self._source.encode())]
        if dialect is not None:
            headers.append((DIALECT_HEADER, dialect.name.encode()))
        return Record(self._topic, 0, place, received_ms, None, value, tuple(headers))


class _BodyBudget:
    """How much of the refused calls of a request is kept."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, call: object, privacy: PrivacyFilter) -> bytes | None:
        """A call as JSON; None where it is too large, or the request's calls are by now."""
        if self._left <= 0:
            return None
        try:
            value = msgspec.json.encode(call)
        except _UNENCODABLE:
            return None
        self._left -= len(value)
        return privacy.clean_bytes(value) if len(value) <= MAX_KEPT_BYTES else None

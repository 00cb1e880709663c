"""A JSON object becomes an `Event`, or a dead letter that says which field is wrong and what was expected."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn

import msgspec

from ubi_stream.events.context import read_clock
from ubi_stream.events.derived import TypeDeriver
from ubi_stream.events.fields import IdReader, RefusedError, check_id, missing_or_wrong, read_id, refuse, short
from ubi_stream.events.hiding import is_own_form
from ubi_stream.events.identity import read_identity
from ubi_stream.events.limits import (
    MAX_AHEAD_MS,
    MAX_PROPERTIES_BYTES,
    MAX_SKEW_MS,
    MAX_TRANSIT_MS,
    MIN_TIME_MS,
)
from ubi_stream.events.model import DeadLetter, Event, ForwardSource, Origin, Record, Unwanted
from ubi_stream.events.properties import PropertyReader
from ubi_stream.events.verdict import Label, read_verdict
from ubi_stream.packs.declared import DeclaredFeature
from ubi_stream.packs.roles import Roles
from ubi_stream.packs.schema import (
    ERASE_TYPE,
    IDENTITY_TYPES,
    INTERNAL_TYPES,
    LABEL_TYPE,
    RESERVED_TYPES,
    Events,
    Pack,
)
from ubi_stream.reasons import DeadLetterReason as Reason

FIELDS: Final = frozenset(
    ("event_id", "event_time", "event_type", "user_id", "session_id", "properties", "context", "sent_at", "trace_id")
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS: Final = 86_400_000
_encode_json = msgspec.json.Encoder().encode


class Validator:
    """Checks events against the limits of every event and the event types of one pack.

    Parameters
    ----------
    events
        Event types of the pack.
    entity_keys
        Properties that hold the id of a further entity: absent, or an id like the user's.
    outcomes
        Names of the pack's outcomes, which a person's label may name.
    declared
        Features that the pack declares: what they read must be readable.
    further_roles
        Roles of single kinds of entities, where they differ from those of the events.
    exchanged
        Properties that are scores of other entities: what a producer writes there is dropped.

    Attributes
    ----------
    unknown_fields
        Number of fields ignored so far because no event has them.
    """

    def __init__(
        self,
        events: Events,
        entity_keys: tuple[str, ...] = (),
        outcomes: Collection[str] = (),
        declared: Collection[DeclaredFeature] = (),
        further_roles: Collection[Roles] = (),
        exchanged: frozenset[str] = frozenset(),
    ) -> None:
        self._ids = IdReader(events.nobody)
        self._properties = PropertyReader(events, entity_keys, self._ids, declared, further_roles)
        self._outcomes = outcomes
        self._derived = TypeDeriver(events.derived)
        self._types = frozenset(events.types) | RESERVED_TYPES
        self._unknown_types = events.unknown
        self._max_age_ms = int(events.max_age_days * 86_400_000)
        self.exchanged = exchanged
        self.unknown_fields = 0

    @classmethod
    def of(cls, pack: Pack) -> Validator:
        """Make the validator of a pack's events."""
        keys = tuple(entity.key for entity in pack.entities if entity.key)
        outcomes = tuple(outcome.name for outcome in pack.outcomes)
        further = tuple(roles for entity in pack.entities if (roles := pack.roles_of(entity)) != pack.events.roles)
        exchanged = frozenset(one.property for one in pack.exchanges)
        return cls(pack.events, keys, outcomes, pack.features, further, exchanged)

    @property
    def required_id(self) -> Callable[[object, str], str]:
        """Reads an id that must be somebody's; raises `RefusedError` where it is not."""
        return self._ids.required

    def validate(
        self, data: dict[str, Any], record: Record, origin: Origin, sender: ForwardSource | None
    ) -> Event | DeadLetter | Unwanted:
        """Check one decoded record; `origin` is where it entered the system, `sender` who forwarded it, if any."""
        try:
            return self._event(data, record, origin, sender)
        except RefusedError as refused:
            return DeadLetter(refused.reason, refused.path, refused.message, record)

    def _event(
        self, data: dict[str, Any], record: Record, origin: Origin, sender: ForwardSource | None
    ) -> Event | Unwanted:
        get = data.get
        event_type = get("event_type")
        if type(event_type) is not str:
            missing_or_wrong(event_type, "event_type", "a string")
        event_type = self._derived.type_of(event_type, get("properties"))
        if event_type not in self._types:
            if self._unknown_types == "drop":
                return Unwanted(event_type, record)
            if self._unknown_types == "dead_letter":
                refuse(Reason.UNKNOWN_EVENT_TYPE, "event_type", f"the pack has no event type {short(event_type)}")
            check_id(event_type, "event_type")
        elif event_type in INTERNAL_TYPES and sender is None:
            refuse(Reason.UNKNOWN_EVENT_TYPE, "event_type", f"{event_type} is written by workers alone")
        event_id = get("event_id")
        if event_id is not None:
            event_id = self._ids.optional(read_id(event_id, "event_id"), "event_id")
        assert record.value is not None, "decode() refuses null values"
        properties = _object(get("properties"), "properties", len(record.value))
        context = _object(get("context"), "context", len(record.value))
        if context:
            read_clock(context)
        # What was once kept under an id that stands for nobody can still be erased.
        read_user_id = read_id if event_type == ERASE_TYPE else self._ids.required
        user_id, identity = read_user_id(get("user_id"), "user_id"), None
        if event_type in IDENTITY_TYPES:
            user_id, identity = read_identity(event_type, user_id, properties, self._ids.required)
        event = Event(
            event_id=origin.event_id if event_id is None else event_id,
            event_time_ms=self._time(get("event_time"), get("sent_at"), origin.timestamp_ms),
            event_type=event_type,
            user_id=user_id,
            session_id=self._ids.optional(get("session_id"), "session_id"),
            properties=properties,
            context=context,
            trace_id=self._ids.optional(get("trace_id"), "trace_id"),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            origin=origin,
            sender=sender,
            raw=record.value,
            rewritten=is_own_form(record),
            is_named=event_id is not None,
            verdict=self._label(properties) if event_type == LABEL_TYPE else None,
            identity=identity,
        )
        for name in self.exchanged:
            properties.pop(name, None)
        self._properties.read(event_type, properties)
        if not FIELDS.issuperset(data):
            self.unknown_fields += len(data.keys() - FIELDS)
        return event

    def _label(self, properties: dict[str, Any]) -> Label | None:
        """What a person's label says; None for one that the stream brings, which is read too."""
        verdict = read_verdict(properties, self._outcomes)
        if verdict is None:
            self._properties.read_label(properties)
        return verdict

    def _time(self, value: object, sent_at: object, arrived_ms: int) -> int:
        """Event time in ms; corrected by how far the sender's clock is off, where it says when it sent."""
        time_ms = _instant(value, "event_time")
        if sent_at is not None:
            time_ms += _clock_error(_instant(sent_at, "sent_at"), time_ms, arrived_ms)
        if time_ms > arrived_ms + MAX_AHEAD_MS:
            refuse(
                Reason.TIME_IN_FUTURE,
                "event_time",
                f"{short(value)} is more than 24 h ahead of the event's arrival{_other_unit(value, arrived_ms)}",
            )
        if time_ms < MIN_TIME_MS or arrived_ms - time_ms > self._max_age_ms:
            self._too_old(value, time_ms, arrived_ms)
        return min(time_ms, arrived_ms + MAX_SKEW_MS)

    def _too_old(self, value: object, time_ms: int, arrived_ms: int) -> NoReturn:
        if time_ms < MIN_TIME_MS:
            refuse(Reason.TIME_TOO_OLD, "event_time", f"{short(value)} is before 1970")
        days = self._max_age_ms / _DAY_MS
        refuse(
            Reason.TIME_TOO_OLD,
            "event_time",
            f"{short(value)} is more than {days:g} days before the event's arrival{_other_unit(value, arrived_ms)}",
        )


def _clock_error(sent_ms: int, time_ms: int, arrived_ms: int) -> int:
    """How far the sender's clock is behind; 0 for what transit explains.

    Raises
    ------
    RefusedError
        `sent_at` can't be Unix milliseconds: that of seconds would move the event by decades.
    """
    error_ms = arrived_ms - sent_ms
    if abs(error_ms) <= MAX_TRANSIT_MS:
        return 0
    if abs(arrived_ms - sent_ms * 1000) <= _DAY_MS:
        refuse(
            Reason.INVALID_VALUE,
            "sent_at",
            f"sent_at is {sent_ms}: it looks like seconds, Unix milliseconds were expected",
        )
    if time_ms - sent_ms > 365 * _DAY_MS:
        refuse(Reason.INVALID_VALUE, "sent_at", f"sent_at is {sent_ms}, more than a year before event_time")
    return error_ms


def _other_unit(value: object, arrived_ms: int) -> str:
    """The likely cause of an impossible time: the same number in another unit is within 20 years of the arrival."""
    if isinstance(value, int | float):
        for unit, factor in (("seconds", 1e3), ("microseconds", 1e-3), ("nanoseconds", 1e-6)):
            if abs(value * factor - arrived_ms) < 20 * 365 * _DAY_MS:
                return f": it looks like {unit} ({_date(int(value * factor))}), Unix milliseconds were expected"
    return ""


def _date(time_ms: int) -> str:
    try:
        return (_EPOCH + timedelta(milliseconds=time_ms)).date().isoformat()
    except OverflowError:
        return "beyond the calendar"


def _object(value: object, field: str, record_bytes: int) -> dict[str, Any]:
    if value is None:
        return {}
    if type(value) is not dict:
        missing_or_wrong(value, field, "an object")
    if record_bytes > MAX_PROPERTIES_BYTES and len(_encode_json(value)) > MAX_PROPERTIES_BYTES:
        refuse(Reason.TOO_LARGE, field, f"{field} has more than {MAX_PROPERTIES_BYTES} bytes")
    return value


def _instant(value: object, field: str) -> int:
    """Unix milliseconds of an ISO-8601 text (UTC where it names no zone) or of a number of milliseconds."""
    if type(value) is str:
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            refuse(Reason.INVALID_VALUE, field, f"{field} is {short(value)}, not an ISO-8601 time")
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        # Whole seconds and microseconds apart: a float of seconds would lose the last digit.
        return int(at.replace(microsecond=0).timestamp()) * 1000 + at.microsecond // 1000
    if type(value) is not int and type(value) is not float:
        missing_or_wrong(value, field, "an ISO-8601 string or Unix milliseconds")
    if not -(2**53) < value < 2**53:
        refuse(Reason.INVALID_VALUE, field, f"{field} is {short(value)}, out of range")
    return int(value)

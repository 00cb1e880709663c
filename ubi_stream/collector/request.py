"""What comes in over HTTP, and what a dialect makes of it. Plain values: no server, no clock, no Kafka."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ubi_stream.reasons import DeadLetterReason


class CollectorRequest(msgspec.Struct, frozen=True):
    """One request, its body decompressed.

    Attributes
    ----------
    headers
        By lower-case name.
    received_ms
        When it came, Unix milliseconds.
    subject
        User that the caller's token is about, where a route takes the user from there.
    """

    path: str
    body: bytes
    received_ms: int
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    subject: str | None = None


class BadRequestError(Exception):
    """The body as a whole can't be read, so there is no event to set aside.

    Attributes
    ----------
    code
        Short, for programs.
    message
        One sentence for whoever wrote the sender.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Reception(msgspec.Struct, frozen=True):
    """What a dialect may know besides the call itself.

    Attributes
    ----------
    hash_key
        Keys the hashes of phone numbers; empty where none is set.
    amount
        Name of the property with the money of an event, as the pack has it.
    """

    received_ms: int
    hash_key: bytes = b""
    amount: str = "amount"


class Row(msgspec.Struct, frozen=True):
    """A call whose event a mapping makes.

    Attributes
    ----------
    values
        What the mapping reads.
    event_time, sent_at
        ISO 8601 or Unix milliseconds. Without `event_time` the event happened when it came.
    """

    values: dict[str, Any]
    event_time: object = None
    sent_at: object = None


class Ready(msgspec.Struct, frozen=True):
    """A call that is an event in our own form already; it may lack an id."""

    event: dict[str, Any]


class Ignored(msgspec.Struct, frozen=True):
    """A call that is accepted and is no behaviour; `why` is a short name."""

    why: str


class Refusal(msgspec.Struct, frozen=True):
    """A call that can't become an event.

    Attributes
    ----------
    path
        JSON path in the call, in the sender's own names.
    kept
        What the dead letter shows in place of the call, where the call has what nobody should read.
    """

    reason: DeadLetterReason
    path: str
    message: str
    kept: dict[str, Any] | None = None


Call = Row | Ready | Ignored | Refusal


def missing(field: str, message: str | None = None) -> Refusal:
    """Refuse a call that lacks a field."""
    return Refusal(DeadLetterReason.MISSING_FIELD, f"$.{field}", message or f"{field} is missing")


def wrong_type(field: str, expected: str) -> Refusal:
    """Refuse a call because of a field of another type."""
    return Refusal(DeadLetterReason.WRONG_TYPE, f"$.{field}" if field else "$", f"{expected} was expected")


def invalid_value(field: str, message: str) -> Refusal:
    """Refuse a call because of what a field says."""
    return Refusal(DeadLetterReason.INVALID_VALUE, f"$.{field}", message)

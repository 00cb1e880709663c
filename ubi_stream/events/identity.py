"""Who is whom: commands that merge the profile of one id into another's, and undo it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ubi_stream.events.fields import refuse
from ubi_stream.packs.schema import ALIAS_TYPE, ANONYMOUS_ID, INTERNAL_TYPES, PREVIOUS_ID, SPLIT_TYPE, WATERMARK
from ubi_stream.reasons import DeadLetterReason as Reason


class IdentityChange(msgspec.Struct, frozen=True, gc=False):
    """What an identity command says besides the id in whose partition it is processed.

    Attributes
    ----------
    other
        The id at the other end: the user, where the event is processed with the anonymous id; else the anonymous id.
    watermark_ms
        Watermark of the partition that handed a profile over; -1 in the commands of producers.
    """

    other: str
    watermark_ms: int = -1


def identity_event(event_type: str, event_id: str, at_ms: int, user_id: str, other_id: str) -> bytes:
    """An identity command as an event; it belongs on the events topic, with `other_id` as key.

    Parameters
    ----------
    event_type
        `$identify`, `$alias` or `$split`.
    user_id
        The id that is kept.
    other_id
        The id that is merged into it, or split off.

    >>> identity_event("$identify", "m-1", 0, "u-1", "anon-1").decode()
    '{"event_id":"m-1","event_time":0,"event_type":"$identify","user_id":"u-1","properties":{"anonymous_id":"anon-1"}}'
    """
    name = PREVIOUS_ID if event_type == ALIAS_TYPE else ANONYMOUS_ID
    return msgspec.json.encode(
        {
            "event_id": event_id,
            "event_time": at_ms,
            "event_type": event_type,
            "user_id": user_id,
            "properties": {name: other_id},
        }
    )


def read_identity(
    event_type: str, user_id: str, properties: Mapping[str, Any], required: Callable[[object, str], str]
) -> tuple[str, IdentityChange]:
    """Read an identity command: the id in whose partition it is processed, and what it says.

    A producer's command is processed with the id that is merged or split off, so it is in the order of that id's own
    events. A worker's record is processed with the user's.

    Raises
    ------
    RefusedError
        An id is missing or wrong, or both are the same.
    """
    name = PREVIOUS_ID if event_type == ALIAS_TYPE else ANONYMOUS_ID
    if event_type == SPLIT_TYPE and ANONYMOUS_ID not in properties:
        name = PREVIOUS_ID
    other = required(properties.get(name), f"properties.{name}")
    if event_type in INTERNAL_TYPES:
        watermark_ms = properties.get(WATERMARK)
        return user_id, IdentityChange(other, watermark_ms if type(watermark_ms) is int else -1)
    if other == user_id:
        refuse(Reason.INVALID_VALUE, f"properties.{name}", f"{name} is the user's own id: there is nothing to merge")
    return other, IdentityChange(user_id)

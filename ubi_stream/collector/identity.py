"""Who somebody is, as an event: what `identify` and `alias` calls of all dialects become."""

from __future__ import annotations

from typing import Final

from ubi_stream.collector.request import Call, Ignored, Ready
from ubi_stream.packs.schema import ALIAS_TYPE, ANONYMOUS_ID, IDENTIFY_TYPE, PREVIOUS_ID

SENT_TYPES: Final = frozenset((IDENTIFY_TYPE, ALIAS_TYPE))
"""Commands that senders may send: all others have routes of their own."""


def identify(anonymous_id: str | None, user_id: str | None, *, at: object, sent_at: object, event_id: object) -> Call:
    """An anonymous visitor became known as a user; nothing where one of the two is not known, or both are the same."""
    if anonymous_id is None or user_id is None or anonymous_id == user_id:
        return Ignored("traits")
    return _event(IDENTIFY_TYPE, user_id, {ANONYMOUS_ID: anonymous_id}, at, sent_at, event_id)


def alias(previous_id: str, user_id: str, *, at: object, sent_at: object, event_id: object) -> Call:
    """A user is known by another id from now on."""
    if previous_id == user_id:
        return Ignored("traits")
    return _event(ALIAS_TYPE, user_id, {PREVIOUS_ID: previous_id}, at, sent_at, event_id)


def _event(kind: str, user_id: str, properties: dict[str, str], at: object, sent_at: object, event_id: object) -> Ready:
    event = {
        "event_id": event_id,
        "event_type": kind,
        "user_id": user_id,
        "event_time": at,
        "sent_at": sent_at,
        "properties": properties,
    }
    return Ready({name: value for name, value in event.items() if value is not None})

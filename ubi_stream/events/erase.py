"""The command that has a user erased."""

from __future__ import annotations

import msgspec

from ubi_stream.packs.schema import ERASE_TYPE


def erase_event(event_id: str, at_ms: int, entity_id: str, *, key: str | None = None) -> bytes:
    """An erasure as an event; it belongs on the topic of the entity's events, under its id.

    `key` is the property with the id where the entity is no user.

    >>> erase_event("erase/1", 0, "u-1")
    b'{"event_id":"erase/1","event_time":0,"event_type":"$erase","user_id":"u-1"}'
    """
    event = {"event_id": event_id, "event_time": at_ms, "event_type": ERASE_TYPE, "user_id": entity_id}
    return msgspec.json.encode({**event, "properties": {key: entity_id}} if key else event)

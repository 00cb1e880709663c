"""The command that has a user erased."""

from __future__ import annotations

import msgspec

from ubi_stream.packs.schema import ERASE_TYPE


def erase_event(event_id: str, at_ms: int, user_id: str) -> bytes:
    """An erasure as an event; it belongs on the events topic, under the user's id as key.

    >>> erase_event("erase/1", 0, "u-1")
    b'{"event_id":"erase/1","event_time":0,"event_type":"$erase","user_id":"u-1"}'
    """
    return msgspec.json.encode(
        {"event_id": event_id, "event_time": at_ms, "event_type": ERASE_TYPE, "user_id": user_id}
    )

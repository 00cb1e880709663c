"""Events by the minute, and records as another partition would forward them."""

from __future__ import annotations

from typing import Any

from support.probe import EVENTS_TOPIC, MINUTE_MS, START_MS, event, record
from ubi_stream.events.model import Record


def at(minutes: float, user: str = "u1", **fields: Any) -> dict[str, Any]:
    """An event so many minutes after the start."""
    return event(user, START_MS + int(minutes * MINUTE_MS), **fields)


def forward(content: dict[str, Any], offset: int, sender: tuple[str, int]) -> Record:
    """A record of the users' repartition topic, forwarded from that topic/partition and offset."""
    task, sender_offset = sender
    topic, _, partition = task.rpartition("/")
    time = str(content["event_time"])
    entered = [("topic", EVENTS_TOPIC), ("partition", partition), ("offset", str(sender_offset)), ("time", time)]
    headers = [(f"ubi-source-{name}", value.encode()) for name, value in entered]
    if topic != EVENTS_TOPIC:
        headers.append(("ubi-sender", f"{task}/{sender_offset}".encode()))
    return record(content, offset, topic="ubi.events.by-user", headers=tuple(headers))

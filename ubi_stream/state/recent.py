"""The last minutes and hours of one entity: events by second, intents by second, time in visits by hour."""

from __future__ import annotations

from typing import Final

from ubi_stream.state.model import UserState
from ubi_stream.state.panes import HOUR_MS
from ubi_stream.state.ticks import add_tick, advance

SECOND_MS: Final = 1000
EVENT_SECONDS: Final = 60
INTENT_SECONDS: Final = 300
ACTIVE_HOURS: Final = 24


def fold_recent(state: UserState, time_ms: int, *, is_intent: bool, active_ms: int) -> None:
    """Take in one event, before `state.last_ms` is moved on; `active_ms` is the pause before it within its visit."""
    last_ms = state.last_ms
    head, second = last_ms // SECOND_MS, time_ms // SECOND_MS
    newest = max(head, second)
    if second > head:
        advance(state.event_seconds, head, second, EVENT_SECONDS)
        if state.intent_seconds:
            advance(state.intent_seconds, head, second, INTENT_SECONDS)
    add_tick(state.event_seconds, newest, second, EVENT_SECONDS)
    if is_intent:
        add_tick(state.intent_seconds, newest, second, INTENT_SECONDS)
    head, hour = last_ms // HOUR_MS, time_ms // HOUR_MS
    if hour > head:
        advance(state.active_hours, head, hour, ACTIVE_HOURS)
    if active_ms:
        add_tick(state.active_hours, max(head, hour), hour, ACTIVE_HOURS, active_ms)

"""Each event once: what a state contains already, by position and by id."""

from __future__ import annotations

from collections.abc import Mapping

from ubi_stream.events.model import Event
from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import UserState
from ubi_stream.state.store import Live


def is_applied(event: Event, live: Live) -> bool:
    """Whether the state already contains the event: by its offset at the partition that it came from."""
    return is_past(event, live.offset, live.state.forwarded)


def is_past(event: Event, offset: int, forwarded: Mapping[str, int]) -> bool:
    """Whether an event is among those up to an offset of the own topic, or of the partition that forwarded it."""
    if event.sender is not None:
        return event.sender.offset <= forwarded.get(event.sender.source, -1)
    return event.offset <= offset


def is_duplicate(event: Event, event_hash: int, state: UserState, plan: Plan) -> bool:
    """Whether an event of that id is in the state, no longer ago than ids are remembered.

    Only of an event with an id that its producer gave: a position is no id that is sent twice; and in another life of
    the topic it is another event.
    """
    seen_s = state.recent_ids.get(event_hash)
    return seen_s is not None and remembered_ms(event, state) // 1000 - seen_s <= plan.dedup_ms // 1000


def remembered_ms(event: Event, state: UserState) -> int:
    """When an event happened, for how long its id is remembered; a person's label counts as of the newest event."""
    return event.event_time_ms if event.verdict is None else state.last_ms


def remember(recent: dict[int, int], event_hash: int, time_s: int, plan: Plan) -> None:
    """Keep an event's id for a while: bounded in time and number."""
    if plan.dedup_max_ids == 0:
        return
    recent.pop(event_hash, None)  # one that was seen long ago: it is the newest now
    recent[event_hash] = time_s
    oldest_s = time_s - plan.dedup_ms // 1000
    while recent:
        first = next(iter(recent))
        if recent[first] >= oldest_s and len(recent) <= plan.dedup_max_ids:
            break
        del recent[first]

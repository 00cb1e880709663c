"""Figures about an entity that models need whatever features a pack lists."""

from __future__ import annotations

import msgspec

from ubi_stream.packs.plan import Plan
from ubi_stream.state.fold import PANE_MS
from ubi_stream.state.log import window
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS, HOUR_MS, MINUTE_MS, NO_EVENTS, Pane, events_of
from ubi_stream.state.visits import begun_before

_PART_BITS = 8


class EventContext(msgspec.Struct, frozen=True, gc=False):
    """Taken right after an event.

    `events` is how many the entity has had; `was_silent_ms` the time from the event before this one (0 if this one came
    late, -1 if it is the first); `first_in_pane` says that it is the entity's only one so far in its five minutes;
    `hits` has a bit for each outcome of the pack, set if an event that is a yes to it was in the visit; `hour` is the
    event's, 0 to 23, where the entity is, -1 where its zone is not known. `nth` counts the events of its type in its
    clock hour, itself too; it is 0 where only the log is kept, or where the event is too old to be counted. `types` has
    a bit for each type of that hour and the hour before, where `nth` is 1. `repeat_ms` is the time from the event
    before, where that was of the same type and visit, else -1. `first_in_hour` and `first_in_day` (UTC) are as
    `first_in_pane`; `newest_ms` is the time of the entity's newest event. `day` is the event's
    on the clock of `hour`, else in UTC, since 1970; `visit` numbers the entity's visits.
    """

    events: int
    was_silent_ms: float
    first_in_pane: bool
    hits: int
    hour: int
    day: int
    visit: int
    nth: int = 0
    types: int = 0
    repeat_ms: int = -1
    first_in_hour: bool = False
    first_in_day: bool = False
    newest_ms: int = 0


def context_of(state: UserState, at_ms: int, type_index: int, plan: Plan) -> EventContext:
    """Take the facts of a state, right after an event of a type at `at_ms`."""
    pane = at_ms // PANE_MS
    if plan.exact:
        in_pane = window(state, (pane + 1) * PANE_MS - 1, PANE_MS).events
    else:
        in_pane = events_of(state.minutes.panes.get(pane, NO_EVENTS))
    first_in_hour = in_pane == 1 and _is_first_in(HOUR_MS, state, at_ms, plan)
    first_in_day = first_in_hour and _is_first_in(DAY_MS, state, at_ms, plan)
    silent_ms = state.last_gap_s * 1000 if state.events > 1 else -1.0
    if at_ms < state.last_ms:
        silent_ms = 0.0
    return EventContext(
        state.events,
        silent_ms,
        in_pane == 1,
        state.session.hits,
        state.last_hour if state.offset_min is not None else -1,
        (at_ms + (state.offset_min or 0) * MINUTE_MS) // DAY_MS,
        # The parts of a visit that goes on after a gap don't count as visits.
        begun_before(state) << _PART_BITS | min(state.session.part, (1 << _PART_BITS) - 1),
        *_of_its_type(state, at_ms, type_index),
        state.repeat_ms,
        first_in_hour,
        first_in_day,
        state.last_ms,
    )


def _of_its_type(state: UserState, at_ms: int, type_index: int) -> tuple[int, int]:
    """How many events of a type its clock hour has; where it is one, also which types that hour and the last had."""
    hour, panes = at_ms // HOUR_MS, state.hours.panes
    pane = panes.get(hour, NO_EVENTS)
    nth = pane[type_index + 1] if len(pane) > type_index + 1 else 0
    return nth, _types_of(pane) | _types_of(panes.get(hour - 1, NO_EVENTS)) if nth == 1 else 0


def _types_of(pane: Pane) -> int:
    """A bit for each event type that a pane has."""
    types = 0
    for position in range(1, len(pane)):
        if pane[position]:
            types |= 1 << position - 1
    return types


def _is_first_in(width_ms: int, state: UserState, at_ms: int, plan: Plan) -> bool:
    """Whether the event at that time is the entity's only one in its hour or day."""
    pane = at_ms // width_ms
    if plan.exact:
        return window(state, (pane + 1) * width_ms - 1, width_ms).events == 1
    ring = state.hours if width_ms == HOUR_MS else state.days
    return events_of(ring.panes.get(pane, NO_EVENTS)) == 1

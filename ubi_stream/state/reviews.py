"""When an entity's habits are looked at: once after each day that is over, without an event, in event time.

A review is due in the first hour of the next day; at which minute is spread by the entity's first event, so that not
all come at once. Whether it took place is not stored: it did, exactly if the watermark has passed it. Reviews go on
for two weeks after the newest event, so that one who stops coming is noticed.
"""

from __future__ import annotations

from typing import Final

from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS, HOUR_MS

MIN_KNOWN_DAYS: Final = 17
"""Whole days after the first, without which nothing is habit: two weeks, and three days to compare with them."""
GOES_ON_DAYS: Final = 14
"""Days after the newest event that are still looked at."""


def review_ms(state: UserState, day: int) -> int:
    """When a day is looked at, in ms of event time."""
    return (day + 1) * DAY_MS + state.first_ms % HOUR_MS


def day_reviewed(due_ms: int) -> int:
    """The day that is looked at then."""
    return due_ms // DAY_MS - 1


def knows_habits(state: UserState) -> bool:
    """Whether an entity is known for long enough to have habits."""
    return state.last_ms // DAY_MS - state.first_ms // DAY_MS >= MIN_KNOWN_DAYS


def next_review_ms(state: UserState, watermark_ms: int, plan: Plan) -> int:
    """The first review that the watermark has not passed; 0 if there is none."""
    if not (plan.habits and knows_habits(state)):
        return 0
    newest = state.last_ms // DAY_MS
    # The watermark may be days behind an entity's newest event: those days are still to come.
    day = (watermark_ms - state.first_ms % HOUR_MS) // DAY_MS
    day = max(day, state.first_ms // DAY_MS + MIN_KNOWN_DAYS)
    return review_ms(state, day) if day <= newest + GOES_ON_DAYS else 0


def reviews_between(state: UserState, since_ms: int, watermark_ms: int, plan: Plan) -> list[int]:
    """Reviews that come to light as the watermark moves on, in order."""
    found: list[int] = []
    while (due_ms := next_review_ms(state, since_ms, plan)) and due_ms <= watermark_ms:
        found.append(due_ms)
        since_ms = due_ms
    return found

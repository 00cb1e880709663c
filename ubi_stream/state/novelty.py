"""What is new in a visit compared with all that the entity did before it: the hour, the categories, the amounts.

One of them alone is ordinary. Together, in one visit of a known user, they are what a stranger in the account looks
like.
"""

from __future__ import annotations

from typing import Final

from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS

MAX_CATEGORIES: Final = 16
"""Distinct categories counted per entity; the least seen gives way."""
KNOWN_DAYS: Final = 1
KNOWN_VISITS: Final = 3
KNOWN_EVENTS: Final = 12
"""Days, visits and events before which an entity has no usual hour: below it, every hour is new."""
KNOWN_LOOKS: Final = 10
"""Events with a category before which a new one is nothing new."""
KNOWN_AMOUNTS: Final = 2
_NEAR_H: Final = 2
"""Hours before and after that count as the same time of day: people are no clocks, and clocks are put back."""
_MAX_RATIO: Final = 1_000_000


def fold_novelty(state: UserState, hour: int | None, category: object, price: float | None) -> None:
    """Take one event of the current visit into what is new in it, before the state takes it in.

    Parameters
    ----------
    hour
        On the user's clock, 0 to 23; None where the zone is not known.
    price
        Money of an event that is an intent or a conversion, or counts as spent.
    """
    session = state.session
    if session.events == 1:
        session.hour_share = -1 if hour is None else _share_of_hour(state, hour)
        # With all places taken a category may have been forgotten, so none is known to be new.
        seen = state.categories
        if len(seen) < MAX_CATEGORIES and sum(seen.values()) >= KNOWN_LOOKS:
            session.new_categories = 0
    if session.new_categories >= 0 and isinstance(category, str) and category:
        session.new_categories += category[:64] not in state.categories
    if price is not None and (usual := usual_amount(state)) is not None and usual > 0:
        percent = round(100 * min(_MAX_RATIO, price / usual))
        session.amount_ratio = max(session.amount_ratio, percent)


def usual_amount(state: UserState) -> float | None:
    """Mean of the amounts so far, the newest included; None before there are a few."""
    before, newest = state.amount, state.newest_amount
    if before is None or newest is None or before.n + 1 < KNOWN_AMOUNTS:
        return None
    return (before.mean * before.n + newest) / (before.n + 1)


def _share_of_hour(state: UserState, hour: int) -> int:
    """Share of all events within two hours of this one, per thousand; -1 for an entity that is hardly known."""
    known_ms = state.last_ms - state.first_ms
    if state.events < KNOWN_EVENTS or state.visits.count < KNOWN_VISITS or known_ms < KNOWN_DAYS * DAY_MS:
        return -1
    profile = state.hour_profile
    near = sum(profile[(hour + shift) % 24] for shift in range(-_NEAR_H, _NEAR_H + 1))
    return round(1000 * near / state.events)

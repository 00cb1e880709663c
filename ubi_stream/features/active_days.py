"""On how many days an entity comes, and whether that is fewer than it used to be."""

from __future__ import annotations

from typing import Final

from ubi_stream.features.registry import MISSING, Described, family
from ubi_stream.packs.plan import Plan
from ubi_stream.state.fold import PANES_OF_1_DAY
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS

_WEEK: Final = 7
_ENOUGH_DAYS: Final = 14
"""Days before the last week without which nothing is usual yet."""


@family(
    Described(
        "active_days_7d",
        title="days with visits in a week",
        unit="active days",
        notable="never",
        high=7,
        meaning="Days (UTC) with events among the last 7, today included",
        has_usual=True,
    ),
    Described(
        "active_days_30d",
        title="days with visits in 30 days",
        unit="active days",
        notable="never",
        high=30,
        meaning="Days (UTC) with events among the last 30, today included",
    ),
    Described(
        "usual_active_days",
        title="usual days with visits in a week",
        unit="active days",
        notable="never",
        high=7,
        meaning="Days with events in 7 days, as a mean over the up to 23 days before the last week; from 14 days on",
    ),
    Described(
        "active_days_share",
        title="days with visits in a week, of those usual",
        unit="share",
        notable="never",
        high=1,
        meaning="Days with events among the last 7 against the usual: 0.5 is half as many, 1 as many or more",
    ),
    windows="paned",
)
def active_days(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """Days with events in the last week, the last month, and a usual week."""
    ring = state.days
    month = len(ring.panes)
    newest = ring.head - _WEEK
    week = month if month == 1 else sum(number > newest for number in ring.panes)
    first = max(state.first_ms // DAY_MS, ring.head - PANES_OF_1_DAY + 1)
    days_before = newest - first + 1
    usual = _WEEK * (month - week) / days_before if days_before >= _ENOUGH_DAYS else MISSING
    return week, month, usual, min(1.0, week / usual) if usual > 0 else MISSING, usual

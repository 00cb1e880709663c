"""Which rules of the pack an entity meets: since when, on which days, in which visit."""

from __future__ import annotations

from typing import Final

from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import RuleMet, UserState

KEPT_DAYS: Final = 30
"""Days of which is known whether a rule was met; their bits fit into a whole number."""
_MASK: Final = (1 << KEPT_DAYS) - 1
HABIT_DAYS: Final = 3
"""Days on which somebody did the same before it is a habit."""
HABIT_SHARE: Final = 0.5
"""Share of the days with events on which it happened, from which on it is usual for the user."""


def note_day(state: UserState, day: int) -> bool:
    """Note a day with events; whether it is the first event of a newer day."""
    is_new = day > state.active_day
    state.active_days = _noted(state.active_days, state.active_day, day)
    state.active_day = max(state.active_day, day)
    return is_new


def note_rule(state: UserState, name: str, at_ms: int, day: int, visit: int, plan: Plan) -> bool:
    """Note that the rule is met at an event; whether it is for the first time on a newer day."""
    met = state.rules.get(name)
    if met is None:
        state.rules = {**state.rules, name: RuleMet(at_ms, at_ms, day, 1, visit)}
        return True
    is_new = day > met.day
    if at_ms - met.last_ms > plan.risk_ms:
        met.since_ms = at_ms
    met.days = _noted(met.days, met.day, day)
    met.day, met.last_ms, met.visit = max(met.day, day), max(met.last_ms, at_ms), visit
    return is_new


def days_of_habit(state: UserState, name: str) -> int:
    """On how many earlier days the entity met a rule, where that is usual for it; else 0."""
    met = state.rules.get(name)
    if met is None:
        return 0
    before = (met.days & ~1).bit_count()
    active = (state.active_days & ~1).bit_count()
    return before if before >= HABIT_DAYS and before >= HABIT_SHARE * active else 0


def holds_still(met: RuleMet, now_ms: int, plan: Plan) -> bool:
    """Whether a rule counts for the risk level: the way back is to not meet it for `times.risk_days`."""
    return now_ms - met.last_ms <= plan.risk_ms


def _noted(days: int, newest: int, day: int) -> int:
    """The bits of the days with one more day; the lowest bit is that of the newest."""
    ahead = day - newest
    if ahead <= 0:
        return days | (1 << -ahead) & _MASK
    return (days << ahead | 1) & _MASK if ahead < KEPT_DAYS else 1

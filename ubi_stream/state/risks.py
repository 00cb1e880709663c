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


def note_rule(state: UserState, name: str, at_ms: int, day: int, visit: int, plan: Plan) -> None:
    """Note that the rule is met at an event."""
    met = state.rules.get(name)
    if met is None:
        state.rules = {**state.rules, name: RuleMet(at_ms, at_ms, day, 1, visit)}
        return
    if at_ms - met.last_ms > plan.risk_ms:
        met.since_ms = at_ms
    if day > met.day:
        met.reached = []
    met.days = _noted(met.days, met.day, day)
    met.day, met.last_ms, met.visit = max(met.day, day), max(met.last_ms, at_ms), visit


def note_step(state: UserState, name: str, day: int, way: int, step: int) -> int:
    """Note how far past its threshold a rule is met in one of its ways; the furthest step before on that day.

    -1 says that it was not met so on that day. An event of an earlier day than the newest changes nothing.
    """
    met = state.rules[name]
    if day < met.day:
        return step
    met.reached = [*met.reached, *[0] * (way + 1 - len(met.reached))]
    before = met.reached[way] - 1
    met.reached[way] = max(met.reached[way], step + 1)
    return before


def days_before(state: UserState, name: str) -> tuple[int, int]:
    """Number of earlier days on which the entity met a rule, and of those with events, of the last month."""
    met = state.rules.get(name)
    return 0 if met is None else (met.days & ~1).bit_count(), (state.active_days & ~1).bit_count()


def holds_still(met: RuleMet, now_ms: int, plan: Plan) -> bool:
    """Whether a rule counts for the risk level: the way back is to not meet it for `times.risk_days`."""
    return now_ms - met.last_ms <= plan.risk_ms


def _noted(days: int, newest: int, day: int) -> int:
    """The bits of the days with one more day; the lowest bit is that of the newest."""
    ahead = day - newest
    if ahead <= 0:
        return days | (1 << -ahead) & _MASK
    return (days << ahead | 1) & _MASK if ahead < KEPT_DAYS else 1

"""When an entity does things."""

from __future__ import annotations

from ubi_stream.features.registry import MISSING, feature
from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS

_ENOUGH = 5
"""Gaps between events below which their spread says nothing."""
_NIGHT_HOURS = 5
"""Night is from 00:00 to 05:00 local time."""


def _usual_gap(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return state.gap_s.mean if state.gap_s.n > 1 else MISSING


@feature(
    "recency_s",
    title="time since the event before",
    unit="seconds",
    high=2_592_000,
    scale="log",
    meaning="Time between the two newest events",
    usual=_usual_gap,
)
def recency_s(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return state.last_gap_s if state.last_gap_s >= 0 else MISSING


@feature(
    "burstiness",
    title="burstiness",
    unit="index",
    low=-1,
    high=1,
    meaning="Regularity of the gaps between events: -1 like a clock, 0 random, 1 in bursts (Goh, Barabasi 2008)",
)
def burstiness(state: UserState, _at_ms: int, _plan: Plan) -> float:
    if state.gap_s.n < _ENOUGH:
        return MISSING
    deviation, mean = state.gap_s.deviation, state.gap_s.mean
    return (deviation - mean) / (deviation + mean) if deviation + mean > 0 else -1.0


@feature(
    "night_share",
    title="share of activity at night",
    unit="share",
    high=1,
    meaning="Share of all events between 00:00 and 05:00 local time",
)
def night_share(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return sum(state.hour_profile[:_NIGHT_HOURS]) / state.events if state.events else MISSING


@feature(
    "is_night",
    title="at night",
    unit="0 or 1",
    high=1,
    meaning="Whether the newest event was between 00:00 and 05:00 local time",
)
def is_night(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return 1.0 if state.last_hour < _NIGHT_HOURS else 0.0


@feature(
    "known_days", title="days known", unit="days", high=365, scale="log", meaning="Days since the entity's first event"
)
def known_days(state: UserState, at_ms: int, _plan: Plan) -> float:
    return max(0.0, (at_ms - state.first_ms) / DAY_MS)

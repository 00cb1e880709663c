"""When an entity does things."""

from __future__ import annotations

from ubi_stream.features.registry import HOUR_OF_DAY, MISSING, Described, family
from ubi_stream.packs.plan import Plan
from ubi_stream.state.ewma import Baseline
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS, HOUR_MS, MINUTE_MS

_ENOUGH = 5
"""Gaps between events below which their spread says nothing."""
_NIGHT_HOURS = 5
"""Night is from 00:00 to 05:00 local time."""


@family(
    Described(
        "recency_s",
        title="time since the event before",
        unit="seconds",
        notable="never",
        high=2_592_000,
        scale="log",
        meaning="Time between the two newest events",
        has_usual=True,
    ),
    Described(
        "burstiness",
        title="burstiness",
        unit="index",
        notable="low",
        low=-1,
        high=1,
        meaning="Regularity of the gaps between events: -1 like a clock, 0 random, 1 in bursts (Goh, Barabasi 2008)",
    ),
    Described(
        "night_share",
        title="share of activity at night",
        unit="share",
        notable="never",
        high=1,
        meaning="Share of all events between 00:00 and 05:00 local time; missing where the zone is not known",
    ),
    Described(
        "is_night",
        title="at night",
        unit="0 or 1",
        notable="never",
        high=1,
        meaning="Whether the newest event was between 00:00 and 05:00 local time; missing where the zone is not known",
    ),
    Described(
        "local_hour",
        title="time of day",
        unit=HOUR_OF_DAY,
        notable="never",
        high=24,
        meaning="Time of day of the newest event on the user's clock; missing where the zone is not known",
    ),
    Described(
        "known_days",
        title="days known",
        unit="days",
        notable="never",
        high=365,
        scale="log",
        meaning="Days since the entity's first event",
    ),
)
def rhythm(state: UserState, at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """Gaps between events, and their hours."""
    gap_s, offset_min = state.gap_s, state.offset_min
    clock_h = MISSING if offset_min is None else (at_ms + offset_min * MINUTE_MS) % DAY_MS / HOUR_MS
    return (
        state.last_gap_s if state.last_gap_s >= 0 else MISSING,
        _burstiness(gap_s) if gap_s.n >= _ENOUGH else MISSING,
        sum(state.hour_profile[:_NIGHT_HOURS]) / state.events if offset_min is not None else MISSING,
        float(clock_h < _NIGHT_HOURS) if offset_min is not None else MISSING,
        clock_h,
        max(0.0, (at_ms - state.first_ms) / DAY_MS),
        gap_s.mean if gap_s.n > 1 else MISSING,
    )


def _burstiness(gap_s: Baseline) -> float:
    deviation, mean = gap_s.deviation, gap_s.mean
    return (deviation - mean) / (deviation + mean) if deviation + mean > 0 else -1.0

"""How far an entity is from its own usual behaviour."""

from __future__ import annotations

from math import log, sqrt

from ubi_stream.features.registry import MISSING, feature
from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS, events_of

_MIN_VALUES = 5
_MIN_EVENTS = 20
_Z_BOUND = 10.0


def _bounded(z: float) -> float:
    return min(_Z_BOUND, max(-_Z_BOUND, z))


@feature(
    "amount_z",
    title="newest amount against the own",
    unit="deviations",
    low=-10,
    high=10,
    meaning="Newest amount against the entity's own amounts",
)
def amount_z(state: UserState, _at_ms: int, _plan: Plan) -> float:
    if state.amount.n < _MIN_VALUES:
        return MISSING
    return _bounded(state.amount.z(state.last_amount, floor=0.05 * abs(state.amount.mean) + 0.01))


@feature(
    "latency_z",
    title="newest wait against the own",
    unit="deviations",
    low=-10,
    high=10,
    meaning="Newest latency against the entity's own latencies",
)
def latency_z(state: UserState, _at_ms: int, _plan: Plan) -> float:
    if state.latency_ms.n < _MIN_VALUES:
        return MISSING
    return _bounded(state.latency_ms.z(state.last_latency_ms, floor=0.05 * abs(state.latency_ms.mean) + 10))


@feature(
    "activity_z",
    title="activity against this hour's usual",
    unit="deviations",
    low=-10,
    high=10,
    meaning="Events of this hour against what the entity usually does at this hour of the day",
    windows="paned",
)
def activity_z(state: UserState, _at_ms: int, _plan: Plan) -> float:
    """Square-root scaled difference of two counts: about a standard normal where nothing changed (Anscombe 1948)."""
    days = state.days.head - state.first_ms // DAY_MS
    if state.events < _MIN_EVENTS or days < 1:
        return MISSING
    now = events_of(state.hours.panes.get(state.hours.head, []))
    before = max(0, state.hour_profile[state.last_hour] - now)
    return _bounded(2.0 * (sqrt(now + 0.375) - sqrt(before / days + 0.375)))


@feature(
    "hour_surprise",
    title="surprise at the hour",
    unit="bits",
    high=10,
    meaning="How unusual the hour of the newest event is for the entity: 0 is as expected, each bit halves the odds",
)
def hour_surprise(state: UserState, _at_ms: int, _plan: Plan) -> float:
    if state.events < _MIN_EVENTS:
        return MISSING
    seen = state.hour_profile[state.last_hour]
    share = (seen + 0.5) / (state.events + 12)
    return max(0.0, min(10.0, -log(share * 24) / log(2)))


@feature(
    "rate_ratio",
    title="rate against the own",
    unit="ratio",
    low=0,
    high=50,
    scale="log",
    meaning="Events of the last 24 hours against the mean of the earlier days, 30 at most",
    windows="paned",
)
def rate_ratio(state: UserState, _at_ms: int, _plan: Plan) -> float:
    days = state.days.head - max(state.first_ms // DAY_MS, state.days.head - 29)
    if days < 3:
        return MISSING
    today = events_of(state.days.panes.get(state.days.head, []))
    before = events_of(state.days.total) - today
    return events_of(state.hours.total) * days / before if before else MISSING

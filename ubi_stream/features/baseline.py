"""How far an entity is from its own usual behaviour."""

from __future__ import annotations

from math import log, sqrt

from ubi_stream.features.registry import MISSING, Described, family
from ubi_stream.features.volume import days_before_today
from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS, NO_EVENTS, events_of

_MIN_VALUES = 5
_MIN_EVENTS = 20
_MIN_DAYS = 5
_Z_BOUND = 10.0
_LOG_2 = log(2)


def _bounded(z: float) -> float:
    return min(_Z_BOUND, max(-_Z_BOUND, z))


@family(
    Described(
        "amount_z",
        title="newest amount against the own",
        unit="deviations",
        low=-10,
        high=10,
        meaning="Newest amount against the entity's own amounts",
    ),
    Described(
        "latency_z",
        title="newest wait against the own",
        unit="deviations",
        low=-10,
        high=10,
        meaning="Newest latency against the entity's own latencies",
    ),
    Described(
        "hour_surprise",
        title="surprise at the hour",
        unit="bits",
        notable="never",
        high=10,
        meaning="How unusual the hour of the newest event is for the entity: 0 is as expected, "
        "each bit halves the odds; missing where the zone is not known",
    ),
)
def values(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """The newest amount, wait and hour against the entity's own."""
    amount, latency = state.amount, state.latency_ms
    return (
        _bounded(amount.z(state.last_amount, floor=0.05 * abs(amount.mean) + 0.01))
        if amount and amount.n >= _MIN_VALUES
        else MISSING,
        _bounded(latency.z(state.last_latency_ms, floor=0.05 * abs(latency.mean) + 10))
        if latency and latency.n >= _MIN_VALUES
        else MISSING,
        _hour_surprise(state) if _knows_hours(state) else MISSING,
    )


def _knows_hours(state: UserState) -> bool:
    """Whether there are enough events and days, and a clock, to say which hours are usual."""
    known_ms = state.last_ms - state.first_ms
    return state.events >= _MIN_EVENTS and known_ms >= _MIN_DAYS * DAY_MS and state.offset_min is not None


def _hour_surprise(state: UserState) -> float:
    seen = state.hour_profile[state.last_hour]
    share = (seen + 0.5) / (state.events + 12)
    return max(0.0, min(10.0, -log(share * 24) / _LOG_2))


@family(
    Described(
        "activity_z",
        title="activity against this hour's usual",
        unit="deviations",
        notable="never",
        low=-10,
        high=10,
        meaning="Events of this hour against what the entity usually does at this hour of the day",
    ),
    Described(
        "rate_ratio",
        title="rate against the own",
        unit="ratio",
        low=0,
        high=50,
        scale="log",
        meaning="Events of the last 24 hours against the mean of the earlier days, 30 at most",
    ),
    windows="paned",
)
def rates(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """Return how this hour and this day compare with those before."""
    return _activity_z(state), _rate_ratio(state)


def _activity_z(state: UserState) -> float:
    """Square-root scaled difference of two counts: about a standard normal where nothing changed (Anscombe 1948)."""
    days = state.days.head - state.first_ms // DAY_MS
    if state.events < _MIN_EVENTS or days < 1:
        return MISSING
    hours = state.hours
    now = events_of(hours.panes.get(hours.head, NO_EVENTS))
    before = max(0, state.hour_profile[state.last_hour] - now)
    return _bounded(2.0 * (sqrt(now + 0.375) - sqrt(before / days + 0.375)))


def _rate_ratio(state: UserState) -> float:
    ring, days = state.days, days_before_today(state)
    if days < 3:
        return MISSING
    before = events_of(ring.total) - events_of(ring.panes.get(ring.head, NO_EVENTS))
    return events_of(state.hours.total) * days / before if before else MISSING

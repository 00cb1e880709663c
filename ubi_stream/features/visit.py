"""What the current visit and the earlier ones are like."""

from __future__ import annotations

from ubi_stream.features.registry import MISSING, Described, family
from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import UserState
from ubi_stream.state.visits import STEP_MS, begun_before, slowdown

_MIN_GAPS = 4
"""Pauses before a visit has a pace."""
_PACED = 7
"""Pauses that must all be short for a visit to be in a hurry. Who thinks for eight seconds on average (exponentially)
has one pause of a second or more in five below three seconds: seven in a row come once in 40,000."""
_MIN_REGULAR = 10
"""Pauses before their regularity says something: of 10, the middle 8 are looked at."""


@family(
    Described(
        "session_duration_min",
        title="length of this visit",
        unit="minutes",
        high=240,
        scale="log",
        meaning="Length of the current visit so far",
        has_usual=True,
    ),
    Described(
        "session_depth",
        title="events in this visit",
        unit="events",
        high=500,
        scale="log",
        meaning="Events in the current visit",
        has_usual=True,
    ),
    Described(
        "session_interests",
        title="interests in this visit",
        unit="events",
        high=300,
        scale="log",
        meaning="Events of the first step of the funnel in the current visit",
    ),
    Described(
        "session_intents",
        title="intents in this visit",
        unit="events",
        high=50,
        scale="log",
        meaning="Events of the middle step of the funnel in this visit",
    ),
    Described(
        "session_conversions",
        title="conversions in this visit",
        unit="events",
        high=50,
        scale="log",
        meaning="Events of the last step of the funnel in this visit",
    ),
    Described(
        "session_slowdown",
        title="slowing down in this visit",
        unit="share",
        notable="never",
        high=1,
        meaning="How much slower the visit became than it began: 0.5 is half",
    ),
)
def this_visit(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """The current visit so far."""
    session, visits = state.session, state.visits
    duration_s, depth = visits.duration_s, visits.depth
    return (
        (session.last_ms - session.start_ms) / 60_000,
        session.events,
        session.interests,
        session.intents,
        session.conversions,
        slowdown(session),
        duration_s.mean / 60 if duration_s else MISSING,
        depth.mean if depth else MISSING,
    )


@family(
    Described(
        "session_pace_s",
        title="pause between actions",
        unit="seconds",
        notable="low",
        high=600,
        scale="log",
        meaning="Rolling mean of the pauses in this visit (exponential, alpha 0.3), from 4 pauses on",
    ),
    Described(
        "longest_pause_s",
        title="longest of the newest 7 pauses",
        unit="seconds",
        notable="never",
        high=1800,
        scale="log",
        meaning="Longest of the newest 7 pauses in this visit; events less than a second apart are one step",
    ),
    Described(
        "pause_spread",
        title="spread of the pauses",
        unit="ratio",
        notable="low",
        high=10,
        scale="log",
        meaning="Regularity of this visit: 10th to 90th percentile of its newest 16 pauses of a second or more, "
        "by their median, from 10 pauses on; 0 is like a clock. Times in whole seconds hide a second",
    ),
)
def pace(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """How fast and how evenly the current visit goes on."""
    session = state.session
    pauses = session.pauses_ms
    n = len(pauses)
    return (
        session.pace_ms / 1000 if session.gaps >= _MIN_GAPS else MISSING,
        max(pauses[-_PACED:]) / 1000 if n >= _PACED else MISSING,
        _spread(sorted(pauses)) if n >= _MIN_REGULAR else MISSING,
    )


def _spread(ordered: list[int]) -> float:
    n = len(ordered)
    outside = n // 8
    width = ordered[n - 1 - outside] - ordered[outside]
    if not any(pause % STEP_MS for pause in ordered):
        width += STEP_MS  # two and three seconds may be nearly the same pause, where times are cut to seconds
    return width / ordered[n // 2]


@family(
    Described(
        "active_min_24h",
        title="time in visits in 24 hours",
        unit="minutes",
        high=1440,
        scale="log",
        meaning="Time between the events of visits, summed over the last 24 hours",
    ),
)
def activity(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """How long the user was here today."""
    return (sum(state.active_hours.values()) / 60_000,)


@family(
    Described(
        "session_hour_share",
        title="earlier activity at this time of day",
        unit="share",
        notable="never",
        high=1,
        meaning="Share of the activity before this visit within two hours of the hour at which the visit began; "
        "known from a day, 3 visits and 12 events on",
    ),
    Described(
        "session_new_categories",
        title="categories that are new to the user",
        unit="categories",
        high=16,
        meaning="Categories of this visit that the user never had before; known from 10 events with one on",
    ),
    Described(
        "session_amount_ratio",
        title="largest amount of this visit by the usual one",
        unit="ratio",
        high=100,
        scale="log",
        meaning="Largest money of an intent or conversion in this visit by the user's mean amount, from 2 amounts on",
    ),
)
def novelty(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """What the user never did like this before."""
    session = state.session
    return (
        session.hour_share / 1000 if session.hour_share >= 0 else MISSING,
        session.new_categories if session.new_categories >= 0 else MISSING,
        session.amount_ratio / 100 if session.amount_ratio else MISSING,
    )


@family(
    Described(
        "sessions",
        title="visits so far",
        unit="visits",
        notable="never",
        high=1000,
        scale="log",
        meaning="Visits since the entity is known, with this one",
    ),
    Described(
        "bounce_rate",
        title="visits of one event",
        unit="share",
        notable="never",
        high=1,
        meaning="Share of ended visits with one event",
    ),
    Described(
        "cart_abandon_rate",
        title="visits that stopped before the last step",
        unit="share",
        notable="never",
        high=1,
        meaning="Share of ended visits with an intent but no conversion",
    ),
)
def all_visits(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """The visits that ended."""
    visits = state.visits
    return (
        begun_before(state) + 1,
        visits.bounces / visits.count if visits.count else MISSING,
        max(0.0, 1.0 - visits.converted / visits.with_intent) if visits.with_intent else MISSING,
    )


@family(
    Described(
        "rolling_latency_ms",
        title="usual wait",
        unit="ms",
        high=60_000,
        scale="log",
        meaning="Mean latency that the user had, newer ones weigh more",
    ),
    Described(
        "last_latency_ms",
        title="newest wait",
        unit="ms",
        high=60_000,
        scale="log",
        meaning="Newest latency of the user",
        has_usual=True,
    ),
    Described(
        "wait_ms",
        title="wait",
        unit="ms",
        high=60_000,
        scale="log",
        meaning="Latency of the newest event; missing where it had none",
    ),
)
def waiting(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """How long the user waits."""
    usual = state.latency_ms.mean if state.latency_ms else MISSING
    return (
        usual,
        state.last_latency_ms if state.last_latency_ms >= 0 else MISSING,
        state.wait_ms if state.wait_ms >= 0 else MISSING,
        usual,
    )

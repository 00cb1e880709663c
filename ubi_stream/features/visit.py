"""What the current visit and the earlier ones are like."""

from __future__ import annotations

from ubi_stream.features.registry import MISSING, Described, family
from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import UserState
from ubi_stream.state.visits import fatigue


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
        "session_fatigue",
        title="slowing down in this visit",
        unit="share",
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
        fatigue(session),
        duration_s.mean / 60 if duration_s else MISSING,
        depth.mean if depth else MISSING,
    )


@family(
    Described(
        "sessions",
        title="visits so far",
        unit="visits",
        high=1000,
        scale="log",
        meaning="Visits since the entity is known, with this one",
    ),
    Described(
        "bounce_rate",
        title="visits of one event",
        unit="share",
        high=1,
        meaning="Share of ended visits with one event",
    ),
    Described(
        "cart_abandon_rate",
        title="visits that stopped before the last step",
        unit="share",
        high=1,
        meaning="Share of ended visits with an intent but no conversion",
    ),
)
def all_visits(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """The visits that ended."""
    visits = state.visits
    return (
        visits.count + 1,
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
)
def waiting(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """How long the user waits."""
    usual = state.latency_ms.mean if state.latency_ms else MISSING
    return usual, state.last_latency_ms if state.last_latency_ms >= 0 else MISSING, usual

"""What the current visit and the earlier ones are like."""

from __future__ import annotations

from ubi_stream.features.registry import MISSING, feature
from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import UserState
from ubi_stream.state.visits import fatigue


def _usual_duration(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return state.visits.duration_s.mean / 60 if state.visits.duration_s.n else MISSING


def _usual_depth(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return state.visits.depth.mean if state.visits.depth.n else MISSING


def _usual_latency(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return state.latency_ms.mean if state.latency_ms.n else MISSING


@feature(
    "session_duration_min",
    title="length of this visit",
    unit="minutes",
    high=240,
    scale="log",
    meaning="Length of the current visit so far",
    usual=_usual_duration,
)
def session_duration_min(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return (state.session.last_ms - state.session.start_ms) / 60_000


@feature(
    "session_depth",
    title="events in this visit",
    unit="events",
    high=500,
    scale="log",
    meaning="Events in the current visit",
    usual=_usual_depth,
)
def session_depth(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return float(state.session.events)


@feature(
    "session_interests",
    title="things looked at in this visit",
    unit="events",
    high=300,
    scale="log",
    meaning="Things looked at in the current visit",
)
def session_interests(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return float(state.session.interests)


@feature(
    "session_intents",
    title="put into the cart in this visit",
    unit="events",
    high=50,
    scale="log",
    meaning="Things put into the cart in this visit",
)
def session_intents(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return float(state.session.intents)


@feature(
    "session_fatigue",
    title="slowing down in this visit",
    unit="share",
    high=1,
    meaning="How much slower the visit became than it began: 0.5 is half",
)
def session_fatigue(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return fatigue(state.session)


@feature(
    "sessions",
    title="visits so far",
    unit="visits",
    high=1000,
    scale="log",
    meaning="Visits since the entity is known, with this one",
)
def sessions(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return float(state.visits.count + 1)


@feature(
    "bounce_rate", title="visits of one event", unit="share", high=1, meaning="Share of ended visits with one event"
)
def bounce_rate(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return state.visits.bounces / state.visits.count if state.visits.count else MISSING


@feature(
    "cart_abandon_rate",
    title="carts left behind",
    unit="share",
    high=1,
    meaning="Share of ended visits with a cart but no purchase",
)
def cart_abandon_rate(state: UserState, _at_ms: int, _plan: Plan) -> float:
    visits = state.visits
    return max(0.0, 1.0 - visits.converted / visits.with_intent) if visits.with_intent else MISSING


@feature(
    "rolling_latency_ms",
    title="usual wait",
    unit="ms",
    high=60_000,
    scale="log",
    meaning="Mean latency that the user had, newer ones weigh more",
)
def rolling_latency_ms(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return state.latency_ms.mean if state.latency_ms.n else MISSING


@feature(
    "last_latency_ms",
    title="newest wait",
    unit="ms",
    high=60_000,
    scale="log",
    meaning="Newest latency of the user",
    usual=_usual_latency,
)
def last_latency_ms(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return state.last_latency_ms if state.last_latency_ms >= 0 else MISSING

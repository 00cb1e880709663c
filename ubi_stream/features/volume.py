"""How much an entity does."""

from __future__ import annotations

from ubi_stream.features.registry import feature
from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS, count_of, events_of


def _daily_events(state: UserState, _at_ms: int, _plan: Plan) -> float:
    """Events a day over the kept days before today."""
    days = state.days.head - max(state.first_ms // DAY_MS, state.days.head - 29)
    today = state.days.panes.get(state.days.head, [])
    return (events_of(state.days.total) - events_of(today)) / days if days > 0 else float("nan")


@feature(
    "events_5m",
    title="events in five minutes",
    unit="events",
    high=300,
    scale="log",
    meaning="Events in the current five minutes",
    windows="paned",
)
def events_5m(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return float(events_of(state.minutes.panes.get(state.minutes.head, [])))


@feature(
    "events_1h",
    title="events in an hour",
    unit="events",
    high=1000,
    scale="log",
    meaning="Events in the last hour",
    windows="paned",
)
def events_1h(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return float(events_of(state.minutes.total))


@feature(
    "events_24h",
    title="events in 24 hours",
    unit="events",
    high=3000,
    scale="log",
    meaning="Events in the last 24 hours",
    usual=_daily_events,
    windows="paned",
)
def events_24h(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return float(events_of(state.hours.total))


@feature(
    "events_7d",
    title="events in 7 days",
    unit="events",
    high=10_000,
    scale="log",
    meaning="Events in the last 7 days",
    windows="paned",
)
def events_7d(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return float(events_of(state.days.last(7)))


@feature(
    "interests_1h",
    title="things looked at in an hour",
    unit="events",
    high=500,
    scale="log",
    meaning="Things looked at in the last hour",
    windows="paned",
)
def interests_1h(state: UserState, _at_ms: int, plan: Plan) -> float:
    return float(count_of(state.minutes.total, plan.interests))


@feature(
    "intents_24h",
    title="put into the cart in 24 hours",
    unit="events",
    high=100,
    scale="log",
    meaning="Things put into the cart in the last 24 hours",
    windows="paned",
)
def intents_24h(state: UserState, _at_ms: int, plan: Plan) -> float:
    return float(count_of(state.hours.total, plan.intents))


@feature(
    "conversions_30d",
    title="purchases in 30 days",
    unit="events",
    high=100,
    scale="log",
    meaning="Purchases in the last 30 days",
    windows="paned",
)
def conversions_30d(state: UserState, _at_ms: int, plan: Plan) -> float:
    return float(count_of(state.days.total, plan.conversions))


@feature(
    "conversion_rate_30d",
    title="purchases per thing looked at",
    unit="share",
    high=1,
    meaning="Purchases for each thing looked at, in the last 30 days",
    windows="paned",
)
def conversion_rate_30d(state: UserState, _at_ms: int, plan: Plan) -> float:
    looked = count_of(state.days.total, plan.interests)
    return min(1.0, count_of(state.days.total, plan.conversions) / looked) if looked else float("nan")


@feature(
    "lifetime_events",
    title="events so far",
    unit="events",
    high=100_000,
    scale="log",
    meaning="Events since the entity is known",
)
def lifetime_events(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return float(state.events)


@feature(
    "distinct_categories",
    title="different categories",
    unit="categories",
    high=16,
    meaning="Different categories looked at, 16 at most",
)
def distinct_categories(state: UserState, _at_ms: int, _plan: Plan) -> float:
    return float(len(state.categories))

"""How much an entity does."""

from __future__ import annotations

from ubi_stream.features.registry import MISSING, Described, family
from ubi_stream.packs.plan import Plan
from ubi_stream.state.fold import PANES_OF_1_DAY
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS, NO_EVENTS, Pane, count_of, events_of
from ubi_stream.state.recent import EVENT_SECONDS, INTENT_SECONDS, SECOND_MS
from ubi_stream.state.ticks import sum_of_last, used_of_last


@family(
    Described(
        "events_5m",
        title="events in five minutes",
        unit="events",
        high=300,
        scale="log",
        meaning="Events in the current five minutes",
    ),
    Described(
        "events_1h",
        title="events in an hour",
        unit="events",
        high=1000,
        scale="log",
        meaning="Events in the last hour",
    ),
    Described(
        "events_24h",
        title="events in 24 hours",
        unit="events",
        high=3000,
        scale="log",
        meaning="Events in the last 24 hours",
        has_usual=True,
    ),
    Described(
        "events_7d",
        title="events in 7 days",
        unit="events",
        high=10_000,
        scale="log",
        meaning="Events in the last 7 days",
    ),
    Described(
        "interests_1h",
        title="interests in an hour",
        unit="events",
        high=500,
        scale="log",
        meaning="Events of the first step of the funnel in the last hour",
    ),
    Described(
        "intents_24h",
        title="intents in 24 hours",
        unit="events",
        high=100,
        scale="log",
        meaning="Events of the middle step of the funnel in the last 24 hours",
    ),
    Described(
        "conversions_30d",
        title="conversions in 30 days",
        unit="events",
        high=100,
        scale="log",
        meaning="Events of the last step of the funnel in the last 30 days",
    ),
    Described(
        "conversion_rate_30d",
        title="conversions per interest",
        unit="share",
        high=1,
        meaning="Conversions for each event of the first step, in the last 30 days",
    ),
    windows="paned",
)
def windows(state: UserState, _at_ms: int, plan: Plan) -> tuple[float, ...]:
    """Counts of the last hour, day, week and month."""
    minutes, hours, days = state.minutes, state.hours, state.days
    month = days.total
    looked, bought = count_of(month, plan.interests), count_of(month, plan.conversions)
    return (
        events_of(minutes.panes.get(minutes.head, NO_EVENTS)),
        events_of(minutes.total),
        events_of(hours.total),
        days.events_of_last(7),
        count_of(minutes.total, plan.interests),
        count_of(hours.total, plan.intents),
        bought,
        min(1.0, bought / looked) if looked else MISSING,
        _usual_day(state, month),
    )


def days_before_today(state: UserState) -> int:
    """Days before today that are kept and known."""
    head = state.days.head
    return head - max(state.first_ms // DAY_MS, head - PANES_OF_1_DAY + 1)


def _usual_day(state: UserState, month: Pane) -> float:
    """Events a day over the kept days before today."""
    days, ring = days_before_today(state), state.days
    return (events_of(month) - events_of(ring.panes.get(ring.head, NO_EVENTS))) / days if days > 0 else MISSING


@family(
    Described(
        "events_10s",
        title="events in ten seconds",
        unit="events",
        high=300,
        scale="log",
        meaning="Events in the last ten seconds",
    ),
    Described(
        "events_60s",
        title="events in a minute",
        unit="events",
        high=1500,
        scale="log",
        meaning="Events in the last minute",
    ),
    Described(
        "busy_seconds_10s",
        title="seconds with events, of the last ten",
        unit="seconds",
        high=10,
        meaning="Seconds with events, of the last ten: many events of one page fill one or two",
    ),
    Described(
        "intents_60s",
        title="intents in a minute",
        unit="events",
        high=300,
        scale="log",
        meaning="Events of the middle step of the funnel in the last minute",
    ),
    Described(
        "intents_5m",
        title="intents in five minutes",
        unit="events",
        high=500,
        scale="log",
        meaning="Events of the middle step of the funnel in the last five minutes",
    ),
)
def seconds(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """Counts of the last seconds; every second of the window counts whole."""
    events, intents, head = state.event_seconds, state.intent_seconds, state.last_ms // SECOND_MS
    return (
        sum_of_last(events, head, EVENT_SECONDS, 10),
        sum_of_last(events, head, EVENT_SECONDS, EVENT_SECONDS),
        used_of_last(events, head, EVENT_SECONDS, 10),
        sum_of_last(intents, head, INTENT_SECONDS, 60) if intents else 0,
        sum_of_last(intents, head, INTENT_SECONDS, INTENT_SECONDS) if intents else 0,
    )


@family(
    Described(
        "lifetime_events",
        title="events so far",
        unit="events",
        notable="never",
        high=100_000,
        scale="log",
        meaning="Events since the entity is known",
    ),
    Described(
        "distinct_categories",
        title="different categories",
        unit="categories",
        notable="never",
        high=16,
        meaning="Different categories, 16 at most",
    ),
)
def history(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """What there was since the entity is known."""
    return state.events, len(state.categories)

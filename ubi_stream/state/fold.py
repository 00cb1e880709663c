"""The fold: (state, event) -> state. Everything here is a function of the entity's own events, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ubi_stream.events.model import Event
from ubi_stream.ids import short_hash
from ubi_stream.packs.aggregations import DeclaredPlan
from ubi_stream.packs.plan import Plan
from ubi_stream.state.aggregates import Aggregates, VisitAggregates, aggregate
from ubi_stream.state.ewma import taken_in
from ubi_stream.state.local_time import hour_at, utc_offset_min
from ubi_stream.state.log import log_event, log_label
from ubi_stream.state.model import Logged, Session, UserState
from ubi_stream.state.novelty import MAX_CATEGORIES, fold_novelty
from ubi_stream.state.panes import DAY_MS, HOUR_MS, MICRO, MINUTE_MS
from ubi_stream.state.recent import fold_recent
from ubi_stream.state.spending import add_spent
from ubi_stream.state.visit_stages import note_stage
from ubi_stream.state.visits import EndedVisit, fold_visit

PANE_MS: Final = 5 * MINUTE_MS
PANES_OF_5_MIN: Final = 12
PANES_OF_1_H: Final = 24
PANES_OF_1_DAY: Final = 30

SLOW_ALPHA: Final = 0.05
"""Weight of the newest in the baselines of amounts and gaps: about the last forty."""
_MAX_WAIT_MS: Final = 2**31
FAST_ALPHA: Final = 0.3


def fold(state: UserState, event: Event, plan: Plan) -> EndedVisit | None:  # noqa: C901, PLR0915 - the hottest function: calls would cost a tenth of it
    """Take one event into a state, in place; returns the visit that it ended, if any.

    Windows count an event in its own pane, also when it comes late, as long as that pane is kept; else `late` goes up.
    """
    time_ms = event.event_time_ms
    type_index = plan.type_index.get(event.event_type)
    if type_index is None:
        type_index = plan.other_type
    properties = event.properties
    price = number(properties, plan.amount) if type_index in plan.priced else None
    spent = price if type_index in plan.amount_types else None
    micros = 0 if spent is None else round(spent * MICRO)
    category = properties.get(plan.category) if plan.category else None
    offset_min = utc_offset_min(time_ms, event.context, plan.default_timezone)
    hour = hour_at(time_ms, offset_min or 0)

    if state.events == 0 or time_ms < state.first_ms:
        state.first_ms = time_ms
    if not _count_in_windows(state, event, type_index, micros, plan):
        state.late += 1
    before, before_ms = state.session, state.session.last_ms
    again = before.last_type == type_index
    known = before.events
    ended = fold_visit(state, event, type_index, micros, plan)
    note_stage(state.session, plan)
    state.repeat_ms = abs(time_ms - state.last_ms) if again and ended is None else -1
    session = state.session
    if plan.declared is not None:
        _fold_declared(state, event, type_index, plan.declared, before, known)
    elif state.aggregates is not None:
        state.aggregates = None  # the pack declares nothing any more
    if session is before:
        active_ms = session.last_ms - before_ms if before_ms else 0
    else:  # where it went on after the other one, the user was in that one until now
        active_ms = max(0, time_ms - state.last_ms) if session.events > 1 else 0
    fold_recent(state, time_ms, is_intent=type_index in plan.intents, active_ms=active_ms)
    if time_ms >= session.start_ms:  # a late event of an earlier visit says nothing about this one
        fold_novelty(state, None if offset_min is None else hour, category, price)
    state.offset_min = offset_min
    _fold_rhythm(state, time_ms, hour)
    _fold_amounts(state, spent, number(properties, plan.latency))
    if type_index in plan.conversions:
        state.conversions += 1
        state.last_conversion_ms = max(state.last_conversion_ms, time_ms)
    category = category[:64] if isinstance(category, str) and category else None
    if plan.habits:
        begins_visit = known == 0 or (session is not before and session.part == 0 and session.events == 1)
        state.habits.count(time_ms // DAY_MS, category, begins_visit=begins_visit)
    if category is not None:
        _count_category(state.categories, category)
        if spent is not None and plan.parts.models.forecast is not None:
            add_spent(state.spent, category, time_ms // DAY_MS, micros, days=PANES_OF_1_DAY)
    state.events += 1
    if time_ms > state.last_ms:
        state.last_ms = time_ms
    return ended


def fold_label(state: UserState, event: Event, plan: Plan) -> bool:
    """Take in what a `$label` event says about an earlier event; False where it matches none that is kept.

    A person's label is about what was told, which is not here.
    """
    state.labels += 1
    if event.verdict is not None:
        return True
    reference = event.properties.get(plan.reference) if plan.reference else None
    bad = event.properties.get(plan.outcome) if plan.outcome else None
    if reference is None or bad is None:
        return False
    return log_label(state, short_hash(str(reference)), bad=bad)


def _count_in_windows(state: UserState, event: Event, type_index: int, micros: int, plan: Plan) -> bool:
    time_ms = event.event_time_ms
    if plan.exact:
        reference = event.properties.get(plan.reference) if plan.reference else None
        entry = Logged(time_ms, micros, type_index, 0 if reference is None else short_hash(str(reference)))
        return log_event(state, entry, delay_ms=plan.delay_ms, max_events=plan.entity.exact_max_events)
    state.minutes.add(time_ms // PANE_MS, PANES_OF_5_MIN, type_index, micros)
    state.hours.add(time_ms // HOUR_MS, PANES_OF_1_H, type_index, micros)
    return state.days.add(time_ms // DAY_MS, PANES_OF_1_DAY, type_index, micros)


def _fold_declared(
    state: UserState, event: Event, type_index: int, declared: DeclaredPlan, before: Session, known: int
) -> None:
    """Take an event into what the declared features need; `before` is the visit that had `known` events before it."""
    session = state.session
    if session is not before and session.part and session.events == 1 and session.earlier is not None:
        session.aggregates, session.earlier.aggregates = before.aggregates, None  # the same visit goes on after a gap
    visit = None
    if session is not before or session.events > known:  # else it is a late event of an earlier visit
        visit = session.aggregates = session.aggregates or VisitAggregates()
    if state.aggregates is None:
        state.aggregates = Aggregates()
    aggregate(state.aggregates, visit, event.properties, type_index, event.event_time_ms, declared)


def _fold_rhythm(state: UserState, time_ms: int, hour: int) -> None:
    if not state.hour_profile:
        state.hour_profile = [0] * 24
    state.hour_profile[hour] += 1
    state.last_hour = hour
    if state.events and time_ms >= state.last_ms:
        gap_s = (time_ms - state.last_ms) / 1000
        state.last_gap_s = gap_s
        state.gap_s.add(gap_s, SLOW_ALPHA)


def _fold_amounts(state: UserState, spent: float | None, latency_ms: float | None) -> None:
    # The newest value is kept beside the baseline, which must not contain it when the two are compared:
    # so each value enters the baseline only when the next one comes.
    if spent is not None:
        if (before := state.newest_amount) is not None:
            state.amount = taken_in(state.amount, before, SLOW_ALPHA)
        state.last_amount, state.is_refund = spent, spent < 0
    state.wait_ms = -1
    if latency_ms is not None and latency_ms >= 0:
        state.wait_ms = round(min(latency_ms, _MAX_WAIT_MS))
        if state.last_latency_ms >= 0:
            state.latency_ms = taken_in(state.latency_ms, state.last_latency_ms, FAST_ALPHA)
        state.last_latency_ms = latency_ms


def _count_category(categories: dict[str, int], category: str) -> None:
    """Count a category in bounded space (space-saving: Metwally, Agrawal, El Abbadi 2005)."""
    if category in categories or len(categories) < MAX_CATEGORIES:
        categories[category] = categories.get(category, 0) + 1
    else:
        least = min(categories, key=lambda name: (categories[name], name))
        categories[category] = categories.pop(least) + 1


def number(properties: Mapping[str, Any], name: str | None) -> float | None:
    """A property that the pack gives a role, which was read on arrival; None where it is absent."""
    value = properties.get(name) if name is not None else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

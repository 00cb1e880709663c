"""Visits (sessions): the producer's session id, else a gap without events.

A user of two devices has two visits side by side, whose session ids alternate. So a visit that is left for another
session id is kept, and goes on if its id comes back within the gap. There are two at most.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ubi_stream.events.model import Event
from ubi_stream.packs.plan import Plan
from ubi_stream.state.distinct import add_distinct, merged_distinct
from ubi_stream.state.ewma import taken_in
from ubi_stream.state.model import Session, UserState, VisitTotals
from ubi_stream.state.panes import add_micros

VISIT_ALPHA: Final = 0.1
_PACE_ALPHA: Final = 0.3
_FIRST_GAPS: Final = 4
"""Gaps whose mean is the pace that a visit began with."""
STEP_MS: Final = 1000
"""Events closer than this are one step: nobody reads a page in less, so it is a double click or one page's events."""
MAX_PAUSES: Final = 16
"""Pauses between steps that are kept of a visit."""


class EndedVisit(msgspec.Struct, frozen=True):
    """A visit that is over.

    `usual_duration_s` and `usual_depth` are the entity's own means of the visits before, None where there were none.
    """

    session: Session
    usual_duration_s: float | None
    usual_depth: float | None


def ended_visit(state: UserState) -> EndedVisit:
    """The current visit, as one that is over; a copy, because a late event may still change the original."""
    session, visits = state.session, state.visits
    session = msgspec.structs.replace(
        session, items=session.items.copy(), categories=session.categories.copy(), aggregates=None
    )
    return EndedVisit(
        session,
        usual_duration_s=visits.duration_s.mean if visits.duration_s else None,
        usual_depth=visits.depth.mean if visits.depth else None,
    )


def fold_visit(state: UserState, event: Event, type_index: int, micros: int, plan: Plan) -> EndedVisit | None:
    """Take one event into its visit, which may begin or go on with it; returns the one that ended or was left."""
    session, time_ms = state.session, event.event_time_ms
    ended: EndedVisit | None = None
    aside = state.other_session
    if aside is not None and time_ms - aside.last_ms > plan.session_gap_ms:
        count_visit(state.visits, aside)
        aside = state.other_session = None
    if session.events:
        switched = event.session_id is not None and session.id is not None and event.session_id != session.id
        back = aside if switched and aside is not None and aside.id == event.session_id else None
        begun_ms = session.start_ms if back is None else back.start_ms
        if time_ms < (begun_ms if switched and back is None else begun_ms - plan.session_gap_ms):
            return None  # a late event of an earlier visit: counted in the windows, but that visit is over
        is_silent = time_ms - session.last_ms > plan.session_gap_ms
        if switched or is_silent:
            ended = ended_visit(state)
            if back is not None or (switched and not is_silent):
                _leave(state, back)
            else:
                count_visit(state.visits, session)
            goes_on = not switched and event.session_id is not None
            begun = Session(part=session.part + 1, earlier=whole(session)) if goes_on else Session()
            state.session = back or begun
    _fold_into(state.session, event, time_ms, type_index, micros, plan)
    return ended


def _leave(state: UserState, back: Session | None) -> None:
    """Keep the current visit as the other one. The one that was kept comes back, or is over."""
    session, other = state.session, state.other_session
    if other is not None and back is None:
        count_visit(state.visits, other)
    session.counted = [session.interests, session.intents, session.conversions, session.amount_micros]
    session.stages = []  # the visit's class was compared with them
    state.other_session = session


def begun_before(state: UserState) -> int:
    """How many visits an entity began before the current one, or the one beside it."""
    return state.visits.count + (state.other_session is not None)


def since_counted(session: Session) -> tuple[int, int, int, int]:
    """Interests, intents, conversions and micros of money since a visit was left; all of it if it never was."""
    before = session.counted or [0, 0, 0, 0]
    return (
        session.interests - before[0],
        session.intents - before[1],
        session.conversions - before[2],
        session.amount_micros - before[3],
    )


def _fold_into(session: Session, event: Event, time_ms: int, type_index: int, micros: int, plan: Plan) -> None:  # noqa: C901 - the hottest function after fold
    if session.events == 0:
        session.start_ms = session.last_ms = session.began_ms = time_ms
    elif time_ms > session.last_ms:
        gap = time_ms - session.last_ms
        session.gaps += 1
        session.pace_ms += (gap - session.pace_ms) * _PACE_ALPHA if session.gaps > 1 else gap
        if session.gaps <= _FIRST_GAPS:
            session.first_pace_ms += (gap - session.first_pace_ms) / session.gaps
        if gap >= STEP_MS:
            session.pauses_ms = [*session.pauses_ms, gap][-MAX_PAUSES:]
        session.last_ms = time_ms
    else:
        session.start_ms = min(session.start_ms, time_ms)
    if session.id is None:
        session.id = event.session_id
    session.events += 1
    session.last_type = type_index
    if micros:
        session.amount_micros = add_micros(session.amount_micros, micros)
    if (item := _name(event, plan.item)) is not None:
        add_distinct(session.items, item)
    if (category := _name(event, plan.category)) is not None:
        add_distinct(session.categories, category)
    if type_index in plan.interests:
        session.interests += 1
    if type_index in plan.intents:
        session.intents += 1
    if type_index in plan.conversions:
        session.conversions += 1
    for outcome in plan.outcomes:
        if type_index in outcome.types:
            session.hits |= 1 << outcome.index


def _name(event: Event, role: str | None) -> str | None:
    """Text of the property that plays a role; None where there is none."""
    value = event.properties.get(role) if role is not None else None
    return value if isinstance(value, str) and value else None


def whole(session: Session) -> Session:
    """Return a visit with the parts before; the pauses between them don't count as its time."""
    earlier = session.earlier
    if earlier is None:
        return session
    return msgspec.structs.replace(
        session,
        start_ms=earlier.start_ms,
        began_ms=earlier.began_ms,
        events=earlier.events + session.events,
        interests=earlier.interests + session.interests,
        intents=earlier.intents + session.intents,
        conversions=earlier.conversions + session.conversions,
        amount_micros=add_micros(earlier.amount_micros, session.amount_micros),
        hits=earlier.hits | session.hits,
        items=merged_distinct(earlier.items, session.items),
        categories=merged_distinct(earlier.categories, session.categories),
        paused_ms=earlier.paused_ms + max(0, session.start_ms - earlier.last_ms),
        earlier=None,
    )


def active_ms(visit: Session) -> int:
    """Length of a whole visit, without pauses between its parts."""
    return visit.last_ms - visit.start_ms - visit.paused_ms


def count_visit(visits: VisitTotals, session: Session) -> None:
    """Add an ended visit to what all of them come to. A visit that went on after a gap counts once."""
    if session.part == 0:
        visits.count += 1
        visits.bounces += session.events == 1
    visits.converted += session.conversions > 0
    visits.with_intent += session.intents > 0
    duration_s = (session.last_ms - session.start_ms) / 1000
    visits.duration_s = taken_in(visits.duration_s, duration_s, VISIT_ALPHA)
    visits.depth = taken_in(visits.depth, float(session.events), VISIT_ALPHA)


def slowdown(session: Session) -> float:
    """How much slower a visit has become, in [0, 1): 0 at the pace it began with, 0.5 at half of it."""
    if session.gaps <= _FIRST_GAPS or session.pace_ms <= session.first_pace_ms:
        return 0.0
    return 1.0 - session.first_pace_ms / session.pace_ms

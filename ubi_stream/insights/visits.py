"""Records of visits: what a visit came to, written at its end and again if it goes on.

A record is bookkeeping, not an insight. Its fields and rates (per cent) are those of the view
`user_behavior_segments`: topic, table and routes have the same names.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, TypeAlias

import msgspec

from ubi_stream.features.stage import Featurized
from ubi_stream.ids import EntityId, insight_id
from ubi_stream.insights.model import InsightSource
from ubi_stream.packs.plan import Plan
from ubi_stream.rules.segments import Assigned
from ubi_stream.state.distinct import count_distinct
from ubi_stream.state.model import Session
from ubi_stream.state.panes import MICRO, MINUTE_MS
from ubi_stream.state.stage import StateChange
from ubi_stream.state.visit_class import class_of, criteria_met
from ubi_stream.state.visits import EndedVisit, active_ms, whole

_CENTS: Final = Decimal("0.01")


class VisitRecord(msgspec.Struct, frozen=True):
    """One visit that is over. A later record with the same `id` replaces it: the visit went on.

    `id` is a UUIDv5 of user and beginning of the visit. `behavior_segment` is the class of the visit, None where the
    pack has no visit classes; `segment` is the user's class over time, as it was before the visit's end. Times are Unix
    milliseconds of event time, rates are per cent, and None where the divisor is 0. `usual_*` are the user's own means
    of the visits before. `revised` says that the visit had ended before: its session went on, or an event came late.
    """

    id: str
    pack: str
    entity: str
    user_id: str
    user_session: str
    behavior_segment: str | None
    segment_color: str | None
    segment_score: float | None
    session_start_ms: int
    session_end_ms: int
    session_duration_minutes: float
    total_events: int
    view_count: int
    cart_count: int
    purchase_count: int
    unique_products: int
    unique_categories: int
    total_amount: float | None
    engagement_rate: float | None
    cart_conversion_rate: float | None
    purchase_conversion_rate: float | None
    overall_conversion_rate: float | None
    recommendations: tuple[str, ...]
    action_priority: int | None
    criteria_met: tuple[str, ...]
    segment: str | None
    usual_events: float | None
    usual_duration_minutes: float | None
    revised: bool
    source: InsightSource
    trace_id: str | None


class VisitErasure(msgspec.Struct, frozen=True):
    """All earlier visit records of a user are to be deleted. It has the user's key, so it comes behind them."""

    entity: str
    user_id: str


VisitOutput: TypeAlias = VisitRecord | VisitErasure


class VisitRecorder:
    """Makes the records of a batch's visits."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        which = plan.pack.outputs.sessions if plan.has_visits else "none"
        self._least_events = {"all": 1, "several_events": 2, "none": None}[which]

    def records(self, batch: Featurized, assigned: Assigned) -> Iterator[VisitOutput]:
        """Records of the visits that ended in the batch, or that a late event revised, in order."""
        if self._least_events is None:
            return
        for change, segment in zip(batch.changes, assigned.before, strict=True):
            if not change.new:
                continue
            if change.erased is not None:
                yield VisitErasure(self._plan.entity.name, change.entity_id)
            if change.ended is not None and change.ended.session.events >= self._least_events:
                yield self._record(change, change.ended, segment, revised=False)
            if change.late_visit is not None and change.late_visit.session.events >= self._least_events:
                yield self._record(change, change.late_visit, segment, revised=change.late_visit.session.events > 1)

    def _record(self, change: StateChange, ended: EndedVisit, segment: str, *, revised: bool) -> VisitRecord:
        plan, session = self._plan, whole(ended.session)
        found = class_of(session, plan)
        minutes = active_ms(session) / MINUTE_MS
        views, carts, purchases = session.interests, session.intents, session.conversions
        visit_id = visit_id_of(plan, change.entity_id, session)
        usual_s = ended.usual_duration_s
        return VisitRecord(
            id=visit_id,
            pack=plan.pack.name,
            entity=plan.entity.name,
            user_id=change.entity_id,
            user_session=session.id or visit_id,
            behavior_segment=found.name if found else None,
            segment_color=found.color if found else None,
            segment_score=found.score if found else None,
            session_start_ms=session.start_ms,
            session_end_ms=session.last_ms,
            session_duration_minutes=rounded(minutes),
            total_events=session.events,
            view_count=views,
            cart_count=carts,
            purchase_count=purchases,
            unique_products=count_distinct(session.items),
            unique_categories=count_distinct(session.categories),
            total_amount=session.amount_micros / MICRO if purchases or session.amount_micros else None,
            engagement_rate=quotient(session.events, minutes),
            cart_conversion_rate=percentage(carts, views),
            purchase_conversion_rate=percentage(purchases, carts),
            overall_conversion_rate=percentage(purchases, views),
            recommendations=found.recommendations if found else (),
            action_priority=found.priority if found else None,
            criteria_met=criteria_met(session, plan),
            segment=segment or None,
            usual_events=None if ended.usual_depth is None else rounded(ended.usual_depth),
            usual_duration_minutes=None if usual_s is None else rounded(usual_s / 60),
            revised=revised or session.part > 0 or bool(session.counted),
            source=InsightSource(change.origin.topic, change.origin.partition, change.origin.offset),
            trace_id=change.trace_id,
        )


def visit_id_of(plan: Plan, entity_id: str, session: Session) -> str:
    """Id of a visit: it stays when the visit goes on, and when an earlier event comes late."""
    cause = f"visit {session.id or ''} from {session.began_ms or session.start_ms}"
    return insight_id(plan.pack.name, plan.entity.name, EntityId(entity_id), "visit", cause)


def percentage(part: float, whole: float) -> float | None:
    """Return 100 · part / whole with two decimals; None where there is no whole.

    >>> percentage(420, 2850), percentage(0, 6), percentage(1, 0)
    (14.74, 0.0, None)
    """
    return rounded(100 * part / whole) if whole else None


def quotient(part: float, whole: float) -> float | None:
    """Return part / whole with two decimals; None where there is no whole.

    >>> quotient(85432.50, 180)
    474.63
    """
    return rounded(part / whole) if whole else None


def rounded(value: float) -> float:
    """Round half up to two decimals, as people do and SQL does; `round` would make 474.62 of 474.625."""
    return float(Decimal(repr(value)).quantize(_CENTS, ROUND_HALF_UP))

"""The class of a visit: a pure function of the visit, while it runs and at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ubi_stream.packs.base import COMPARE
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.segments import Condition
from ubi_stream.packs.visit_classes import VisitClass
from ubi_stream.state.distinct import count_distinct
from ubi_stream.state.model import Session
from ubi_stream.state.panes import MICRO, MINUTE_MS
from ubi_stream.state.visits import active_ms, whole

FIGURES: Final[dict[str, Callable[[Session], float]]] = {
    "session_depth": lambda session: session.events,
    "session_duration_min": lambda session: active_ms(session) / MINUTE_MS,
    "session_interests": lambda session: session.interests,
    "session_intents": lambda session: session.intents,
    "session_conversions": lambda session: session.conversions,
    "session_items": lambda session: count_distinct(session.items),
    "session_categories": lambda session: count_distinct(session.categories),
    "session_amount": lambda session: session.amount_micros / MICRO,
}
"""`packs.visit_classes.VISIT_FIGURES` of a whole visit."""


def class_of(session: Session, plan: Plan) -> VisitClass | None:
    """Return the first class of the pack whose conditions all hold; None where the pack has no visit classes."""
    visit = whole(session)
    for one in plan.parts.visit_classes:
        if all(_holds(condition, visit) for condition in one.when):
            return one
    return None


def criteria_met(session: Session, plan: Plan) -> tuple[str, ...]:
    """Return the conditions of any class that hold, each once: classes overlap, so they say how close others were."""
    visit = whole(session)
    conditions = (condition for one in plan.parts.visit_classes for condition in one.when)
    held = (f"{c.feature} {c.op} {c.value:g}" for c in conditions if _holds(c, visit))
    return tuple(dict.fromkeys(held))


def _holds(condition: Condition, visit: Session) -> bool:
    return COMPARE[condition.op](FIGURES[condition.feature](visit), condition.value)

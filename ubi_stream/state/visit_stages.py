"""Where a visit stood as it went on: what its final class is compared with, to learn how likely a class stays.

A visit is looked at when its events come to 1, 2, 3, 4, 6, 8, 12, 16, 24 and so on: each visit that comes so far counts
once, and a long one takes a few bytes.
"""

from __future__ import annotations

from math import log2
from typing import Final

from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import Session
from ubi_stream.state.panes import MINUTE_MS
from ubi_stream.state.visit_class import class_of
from ubi_stream.state.visits import active_ms, whole

_LOOKED_AT: Final = frozenset(n for power in range(14) for n in (1 << power, 3 << power))
CELLS: Final = 1024
"""A stage is the class's position times this, plus the cell."""
_MOST_EVENTS: Final = 31
_MOST_MINUTES: Final = 7


def note_stage(session: Session, plan: Plan) -> None:
    """Note where a visit stands after an event, if that is one at which it is looked at."""
    if plan.parts.visit_classes and session.events in _LOOKED_AT:
        session.stages = [*session.stages, stage_of(session, plan)]


def stage_of(session: Session, plan: Plan) -> int:
    """Class of a visit so far, and the cell of visits that are about as far: by events, minutes, intents, conversions.

    The pack must have visit classes.
    """
    visit, found = whole(session), class_of(session, plan)
    assert found is not None, "the last visit class holds for every visit"
    events = min(_MOST_EVENTS, int(2 * log2(visit.events)))
    minutes = min(_MOST_MINUTES, int(log2(1 + active_ms(visit) / MINUTE_MS)))
    cell = ((events * (_MOST_MINUTES + 1) + minutes) * 2 + (visit.intents > 0)) * 2 + (visit.conversions > 0)
    return plan.parts.visit_classes.index(found) * CELLS + cell

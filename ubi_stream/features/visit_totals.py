"""What the current visit comes to as a whole: all parts of one that goes on after a gap."""

from __future__ import annotations

from ubi_stream.features.registry import Described, family
from ubi_stream.packs.plan import Plan
from ubi_stream.state.distinct import count_distinct
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import MICRO
from ubi_stream.state.visits import whole


@family(
    Described(
        "session_items",
        title="different items in this visit",
        unit="items",
        high=300,
        scale="log",
        meaning="Different items in this visit: exact up to 63, an estimate beyond",
    ),
    Described(
        "session_categories",
        title="different categories in this visit",
        unit="categories",
        high=64,
        scale="log",
        meaning="Different categories in this visit: exact up to 63, an estimate beyond",
    ),
    Described(
        "session_amount",
        title="money spent in this visit",
        unit="money",
        high=10_000,
        scale="log",
        meaning="Money spent in this visit",
    ),
)
def visit_totals(state: UserState, _at_ms: int, _plan: Plan) -> tuple[float, ...]:
    """Different items and categories of the current visit, and its money."""
    visit = whole(state.session)
    return count_distinct(visit.items), count_distinct(visit.categories), visit.amount_micros / MICRO

"""Cool-downs: one for each entity, kind, label and cause."""

from __future__ import annotations

from support.folding import PLAN
from support.probe import MINUTE_MS, START_MS
from ubi_stream.events.model import Origin
from ubi_stream.insights.builder import InsightBuilder
from ubi_stream.insights.model import InsightKind
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.model import UserState
from ubi_stream.state.stage import StateChange
from ubi_stream.state.store import StateStore

STATES = StateStore({}, epoch=1, cache_size=10)


def builder(state: UserState, population: InsightHistory, minute: float) -> InsightBuilder:
    at_ms = START_MS + round(minute * MINUTE_MS)
    change = StateChange(
        entity_id="u1",
        state=state,
        at_ms=at_ms,
        new=True,
        event=None,
        event_hash=0,
        ended=None,
        dormant=False,
        delayed_labels=(),
        cause_id="e1",
        origin=Origin("t", 0, 0, at_ms),
        trace_id="e1",
        watermark_ms=at_ms,
    )
    return InsightBuilder(PLAN, change, "v", STATES, population)


def test_another_cause_is_told_about_and_the_same_is_not_until_its_cool_down_is_over() -> None:
    state, population = UserState(), InsightHistory()

    def allows(minute: float, cause: str) -> bool:
        return builder(state, population, minute).allows(InsightKind.RISK, "bot", 60, cause=cause)

    assert [allows(0, "visit 1"), allows(1, "visit 1"), allows(2, "visit 2"), allows(3, "visit 2")] == [
        True,
        False,
        True,
        False,
    ]
    assert [allows(59, "visit 1"), allows(60, "visit 1"), allows(61, "visit 2"), allows(62, "visit 2")] == [
        False,
        True,
        False,
        True,
    ]


def test_the_population_has_causes_too() -> None:
    state, population = UserState(), InsightHistory()

    def allows(minute: float, cause: str) -> bool:
        return builder(state, population, minute).population_allows(InsightKind.DRIFT, "rate", 60, cause=cause)

    assert [allows(0, "a"), allows(1, "a"), allows(1, "b"), allows(61, "b")] == [True, False, True, True]
    assert not state.history.quiet_until_ms

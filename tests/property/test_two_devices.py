"""Two devices of one user in turn: each has its visits, whatever the turns, and each visit counts once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from support.folding import Runner
from support.probe import MINUTE_MS, START_MS, event
from ubi_stream.insights.visits import VisitRecord

GAP_MIN = 10
TURNS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, GAP_MIN - 1)), min_size=1, max_size=30)


def expected(turns: list[tuple[str, int]]) -> list[tuple[str, int, int, int]]:
    """Session id, first minute, events and minutes of each visit: those of an id without a longer gap."""
    found: dict[str, list[list[int]]] = {"a": [], "b": []}
    minute = 0
    for session_id, pause in turns:
        minute += pause
        visits = found[session_id]
        if visits and minute - visits[-1][-1] <= GAP_MIN:
            visits[-1].append(minute)
        else:
            visits.append([minute])
    return sorted(
        (name, times[0], len(times), times[-1] - times[0]) for name, visits in found.items() for times in visits
    )


@settings(max_examples=25, deadline=None)
@given(TURNS, st.integers(1, 30))
def test_the_last_record_of_each_visit_has_all_of_it(turns: list[tuple[str, int]], cut: int) -> None:
    runner, minute, events = Runner(), 0, []
    for session_id, pause in turns:
        minute += pause
        events.append(event(at_ms=START_MS + minute * MINUTE_MS, event_type="purchase", price=1, session_id=session_id))
    events.append(event(at_ms=START_MS + (minute + 600) * MINUTE_MS, session_id="end"))
    parts = [runner.run(*part) for part in (events[:cut], events[cut:]) if part]
    records = [visit for part in parts for visit in part.visits if isinstance(visit, VisitRecord)]
    last = {visit.id: visit for visit in records}
    assert sorted(
        (
            visit.user_session,
            (visit.session_start_ms - START_MS) // MINUTE_MS,
            visit.total_events,
            int(visit.session_duration_minutes),
        )
        for visit in last.values()
    ) == expected(turns)
    assert sum(not visit.revised for visit in records) == len(last)

"""How likely a visit ends in the class that it has now: on the visits of a real shop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from math import inf

import msgspec
import pytest

from support.probe import DAY_MS, START_MS, record
from support.public_data import public_file
from ubi_stream.data.source import ReplaySource
from ubi_stream.events.model import Event, Record
from ubi_stream.events.stage import read_events
from ubi_stream.events.validate import Validator
from ubi_stream.ids import uniform_hash
from ubi_stream.models.visit_confidence import VisitConfidence
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.plan import compile_plan
from ubi_stream.rules.frequency import FrequencyTable
from ubi_stream.state.fold import fold
from ubi_stream.state.model import Session, UserState
from ubi_stream.state.visit_class import class_of
from ubi_stream.synthetic.generate import Traffic
from ubi_stream.synthetic.population import TrafficOptions

Case = tuple[float, bool]

PLAN = compile_plan(load_pack("ecommerce"), "user")


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """A day of the shop, in the order of time."""
    with ReplaySource(public_file("rees46_2019-10-01.csv.gz"), "rees46", sort=True) as source:
        records = [Record("t", 0, n, item.time_ms or 0, item.key, item.value, ()) for n, item in enumerate(source)]
    return read_events(records, Validator.of(PLAN.pack), forwarded=False).events


def judged(events: list[Event], learns: Callable[[str], bool], judges: Callable[[str], bool]) -> list[Case]:
    """What is said at each event of the users that are judged, and whether it comes true; by what the others taught.

    A visit ends when time has passed its gap, whether its user comes back or not. Of a user who does both, a visit is
    learned from after it was judged.
    """
    confidence = VisitConfidence(PLAN, FrequencyTable())
    states: dict[str, UserState] = defaultdict(UserState)
    open_until: dict[str, int] = {}
    predicted: dict[str, list[tuple[str, float]]] = defaultdict(list)
    found: list[Case] = []

    def end(user: str, session: Session) -> None:
        final = name_of(session)
        found.extend((probability, name == final) for name, probability in predicted.pop(user, []))
        if learns(user):
            confidence.learn_visit(session)

    def end_idle(now_ms: float) -> None:
        for user in [user for user, end_ms in open_until.items() if end_ms < now_ms]:
            del open_until[user]
            end(user, states[user].session)

    for event in events:
        end_idle(event.event_time_ms)
        user, state = event.user_id, states[event.user_id]
        ended = fold(state, event, PLAN)
        if open_until.pop(user, None) is not None and ended is not None:
            end(user, ended.session)
        open_until[user] = event.event_time_ms + PLAN.session_gap_ms
        if judges(user) and isinstance(probability := confidence.of(state.session), float):
            predicted[user].append((name_of(state.session), probability))
    end_idle(inf)
    return found


def name_of(session: Session) -> str:
    found = class_of(session, PLAN)
    assert found is not None
    return found.name


def calibration_error(found: list[Case]) -> float:
    bins: dict[int, list[Case]] = defaultdict(list)
    for probability, came_true in found:
        bins[int(10 * probability)].append((probability, came_true))
    return sum(abs(sum(p - true for p, true in cases)) for cases in bins.values()) / len(found)


def test_it_is_calibrated_and_spread_on_the_visits_of_other_users_of_a_real_shop(events: list[Event]) -> None:
    """In three hours the visits that ended are the short ones: so one half of the users teaches first."""
    teachers = [event for event in events if uniform_hash(event.user_id) < 0.5]
    names = {event.user_id for event in teachers}
    others = [e for e in events if e.user_id not in names]
    others = [msgspec.structs.replace(event, event_time_ms=event.event_time_ms + DAY_MS) for event in others]
    found = judged([*teachers, *others], lambda user: user in names, lambda user: user not in names)
    assert len(found) > 5_000
    assert max(p for p, _ in found) - min(p for p, _ in found) > 0.5
    assert calibration_error(found) <= 0.03


def test_it_is_calibrated_while_it_learns_on_days_of_invented_visits() -> None:
    traffic = Traffic(TrafficOptions(users=400, rate=0.15, seed=3, start_ms=START_MS)).events(25_000)
    records = [record(event, n) for n, event in enumerate(traffic)]
    events = read_events(records, Validator.of(PLAN.pack), forwarded=False).events
    found = judged(events, lambda _: True, lambda _: True)
    assert len(found) > 20_000
    assert max(p for p, _ in found) - min(p for p, _ in found) > 0.5
    assert calibration_error(found) <= 0.03


def test_it_warms_up_and_says_how_far_it_is(events: list[Event]) -> None:
    confidence, state = VisitConfidence(PLAN, FrequencyTable()), UserState()
    assert confidence.of(state.session) is None
    fold(state, events[0], PLAN)
    assert confidence.of(state.session) == {"status": "warming_up", "n": 0, "of": 50}


def test_a_visit_of_a_hundred_events_is_looked_at_a_dozen_times(events: list[Event]) -> None:
    state = UserState()
    for _ in range(100):
        fold(state, events[0], PLAN)
    assert len(state.session.stages) == 13

"""One visit of each persona, through the pipeline of the shop's pack: it is what its name says, whoever makes it."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isnan

import pytest

from support.folding import Runner, fold_all
from support.probe import START_MS, event
from support.visits import visits_of
from ubi_stream.errors import ConfigError
from ubi_stream.features.registry import all_features
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.plan import compile_plan
from ubi_stream.synthetic.personas import session
from ubi_stream.synthetic.sessions import SESSIONS

PACK = load_pack("ecommerce")
PLAN = compile_plan(PACK, "user")
USERS = [f"u{number}" for number in range(12)]
DAY_MS = 86_400_000


def feature(name: str, persona: str, user: str) -> float:
    """The feature right after the visit's last event."""
    events = session(persona, user, "s", START_MS)
    state = fold_all(*events, plan=PLAN)
    return all_features()[name].extract(state, events[-1]["event_time"], PLAN)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("persona", ["bouncer", "browser", "engaged_shopper", "power_user"])
def test_a_visit_is_of_the_class_that_it_is_named_after(persona: str, user: str) -> None:
    runner = Runner(PACK)
    runner.run(*session(persona, user, "s", START_MS))
    (visit,) = (one for one in visits_of(runner.run(event("other", START_MS + DAY_MS))) if one.user_id == user)
    assert visit.behavior_segment == persona


@pytest.mark.parametrize("user", USERS)
def test_what_rules_look_for_is_there(user: str) -> None:
    assert feature("session_pace_s", "impulsive", user) < 3
    assert feature("intents_60s", "impulsive", user) >= 5
    assert feature("events_60s", "impulsive", user) < 40  # a person all the same
    assert feature("spending_volatility", "erratic_spender", user) > 150
    assert feature("session_duration_min", "tired", user) > 30
    assert feature("session_slowdown", "tired", user) > 0
    assert 0 <= feature("local_hour", "night_owl", user) < 5
    assert feature("events_60s", "bot", user) >= 250


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("persona", ["browser", "engaged_shopper", "power_user"])
def test_ordinary_visits_have_nothing_of_it(persona: str, user: str) -> None:
    assert feature("session_pace_s", persona, user) > 10
    assert feature("events_60s", persona, user) < 15
    volatility = feature("spending_volatility", persona, user)
    assert isnan(volatility) or volatility < 150 or persona == "power_user"


@pytest.mark.parametrize("hour", [0, 5, 11, 12, 13, 18, 23])
def test_a_night_owl_comes_at_night_at_any_time(hour: int) -> None:
    events = session("night_owl", "u", "s", START_MS + hour * 3_600_000)
    offset_min = events[0]["context"]["utc_offset_min"]
    assert -720 <= offset_min <= 840
    assert all(0 <= (e["event_time"] // 60_000 + offset_min) % 1440 < 300 for e in events)


@pytest.mark.parametrize("persona", SESSIONS)
def test_the_same_visit_comes_at_any_time_and_its_events_are_all_taken(persona: str) -> None:
    one, other = (session(persona, "u", "s", start_ms) for start_ms in (START_MS, START_MS + DAY_MS))
    assert [e["event_time"] + DAY_MS for e in one] == [e["event_time"] for e in other]
    assert [e["event_type"] for e in one] == [e["event_type"] for e in other]
    assert not {e["event_id"] for e in one} & {e["event_id"] for e in other}
    assert Runner(PACK).run(*one).tally.accepted.total() == len(one)


def test_the_start_may_be_a_time_of_the_calendar() -> None:
    assert session("browser", "u", "s", datetime.fromtimestamp(START_MS / 1000, UTC)) == session(
        "browser", "u", "s", START_MS
    )
    naive = datetime.fromtimestamp(START_MS / 1000, UTC).replace(tzinfo=None)
    assert session("browser", "u", "s", naive)[0]["event_time"] == START_MS


def test_an_unknown_persona_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="persona 'wizard': expected one of bouncer, browser"):
        session("wizard", "u", "s", 0)

"""A user who came under two ids counts as one who came under one, wherever the merge falls between the events."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.merging import Partitions, at_s
from support.probe import START_MS, probe_pack
from ubi_stream.state.model import UserState

EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "user": st.sampled_from(["anon", "user"]),
            "pause_s": st.integers(0, 900),
            "late_s": st.sampled_from([0, 0, 0, 60, 600]),
            "event_type": st.sampled_from(["view", "cart", "purchase"]),
            "category": st.sampled_from(["a", "b", "c", None]),
            "session_id": st.sampled_from([None, "s1"]),
        }
    ),
    min_size=1,
    max_size=14,
)
PACK = probe_pack(("retention_days = 1", "retention_days = 3"))


def contents(drawn: list[dict[str, Any]], *, alone: bool) -> list[dict[str, Any]]:
    """The events in order; `alone` has all of them under the user's id."""
    made: list[dict[str, Any]] = []
    now_s = 7200
    for number, one in enumerate(drawn):
        now_s += one["pause_s"]
        fields = {name: one[name] for name in ("category", "session_id") if one[name] is not None}
        if one["event_type"] == "purchase":
            fields["price"] = 2.5
        user = "user" if alone else one["user"]
        made.append(at_s(now_s - one["late_s"], user, event_type=one["event_type"], event_id=f"e{number}", **fields))
    return made


def identified_s(made: list[dict[str, Any]], place: int) -> float:
    """When the command comes: with the event before it, in seconds after the start."""
    return float((min(one["event_time"] for one in made[: max(1, place)]) - START_MS) / 1000)


def summed(state: UserState) -> dict[str, Any]:
    """What does not depend on the order of events, nor on where visits are cut."""
    names = (
        "first_ms",
        "last_ms",
        "events",
        "conversions",
        "last_conversion_ms",
        "hour_profile",
        "categories",
        "labels",
    )
    rings = {name: getattr(state, name) for name in ("minutes", "hours", "days")}
    sums = {name: (ring.head, ring.panes, ring.total) for name, ring in rings.items()}
    return {
        **{name: getattr(state, name) for name in names},
        **sums,
        "ids": set(state.recent_ids),
        "seconds": (state.event_seconds, state.intent_seconds),
        "amounts": (state.amount.n if state.amount else 0, state.newest_amount is None),
    }


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.integers(0, 14), st.sampled_from([1, 2, 3]), st.booleans())
def test_sums_are_those_of_one_id(drawn: list[dict[str, Any]], place: int, partitions: int, prompt: bool) -> None:
    split = contents(drawn, alone=False)
    place = min(place, len(split))
    people = Partitions(partitions, PACK)
    people.send(*split[:place], drain=prompt)
    people.say("$identify", identified_s(split, place), "user", "anon", drain=prompt)
    people.send(*split[place:], drain=prompt)
    people.drain()
    one = Partitions(1, PACK)
    one.send(*contents(drawn, alone=True))
    expected, found = summed(one.known("user")), summed(people.known("user"))
    # The ids of commands are remembered as well.
    assert found.pop("ids") >= expected.pop("ids")
    assert found == expected


@settings(max_examples=20, deadline=None)
@given(EVENTS, st.integers(0, 14))
def test_nothing_is_learned_twice(drawn: list[dict[str, Any]], place: int) -> None:
    """Each event is scored and learned once, under whichever id it came."""
    split = contents(drawn, alone=False)
    people = Partitions(2, PACK)
    people.send(*split[:place])
    people.say("$identify", identified_s(split, place), "user", "anon")
    people.send(*split[place:])
    assert sum(runner.partition.models.n_seen for runner in people.runners) == len(split)


@settings(max_examples=20, deadline=None)
@given(EVENTS, st.integers(0, 14))
def test_a_split_gives_the_anonymous_profile_back(drawn: list[dict[str, Any]], place: int) -> None:
    split = contents(drawn, alone=False)
    people = Partitions(2, PACK)
    people.send(*split)
    before = {user: people.state(user) for user in ("anon", "user")}
    counts = {user: summed(state) for user, state in before.items() if state is not None}
    people.say("$identify", identified_s(split, len(split)), "user", "anon")
    people.say("$split", identified_s(split, len(split)) + 1, "user", "anon")
    for user, expected in counts.items():
        found = summed(people.known(user))
        for name in ("events", "conversions", "hour_profile", "categories", "minutes", "hours", "days"):
            if user == "anon" or name not in ("minutes", "hours", "days"):
                assert found[name] == expected[name], (user, name)

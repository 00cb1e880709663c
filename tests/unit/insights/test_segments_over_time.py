"""Segments over time: a first one is no news, another one counts once it has held, and is left more slowly."""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest

from support.folding import Runner
from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event, probe_pack
from ubi_stream.insights.claims import holds
from ubi_stream.insights.model import Insight, InsightKind
from ubi_stream.models.common.digest import digest
from ubi_stream.packs.loader import load_pack
from ubi_stream.packs.schema import Pack
from ubi_stream.state.codec import decode_state

SHOP = load_pack("ecommerce")
HELD = probe_pack(
    (
        'name = "browser"\nhold_h = 0\nwhen = [{ feature = "session_depth", op = ">=", value = 3 }]',
        'name = "browser"\nhold_h = 1\nwhen = [{ feature = "events_24h", op = ">=", value = 5 }]\n'
        'stay = [{ feature = "events_24h", op = ">=", value = 3 }]',
    ),
    ('name = "passer_by"\nhold_h = 0', 'name = "passer_by"\nhold_h = 1'),
    ("dormant_after_days = 0.25", "dormant_after_days = 5"),
    ("retention_days = 1", "retention_days = 40"),
)
"""A browser has five events in a day, has had them for an hour, and stays one with three."""


def at(hours: float, user: str = "u1", **fields: Any) -> dict[str, Any]:
    return event(user, START_MS + round(hours * HOUR_MS), **fields)


def segments(runner: Runner, *contents: dict[str, Any]) -> list[Insight]:
    return [insight for insight in runner.run(*contents).insights if insight.kind is InsightKind.SEGMENT]


def segment_of(runner: Runner, user: str = "u1") -> str:
    state = runner.state(user)
    assert state is not None
    return state.segment


def test_a_first_segment_is_in_force_at_once_and_no_news() -> None:
    runner = Runner()
    assert segments(runner, at(0, event_type="purchase", price=30)) == []
    assert segment_of(runner) == "buyer"


def test_another_one_counts_once_it_has_held() -> None:
    #  events:  0h x4 | 1h the fifth | 1.5h | 2h an hour later: told
    runner = Runner(HELD)
    assert segments(runner, *(at(n / 60) for n in range(4)), at(1), at(1.5)) == []
    assert segment_of(runner) == "passer_by"
    (delivered,) = segments(runner, at(2))
    assert (delivered.label, delivered.evidence["before"]) == ("browser", "passer_by")
    assert delivered.explanation.summary == (
        "The user is now browser (before: passer by): events in 24 hours: 7, at least 5"
    )
    assert [holds(claim) for claim in delivered.explanation.claims] == [True]
    assert segments(runner, at(3), at(4)) == []


def test_one_that_does_not_hold_is_forgotten() -> None:
    runner = Runner(HELD)
    runner.run(*(at(n / 60) for n in range(5)))  # would be a browser from 01:04 on
    runner.run(at(30))  # but comes next when all of that is a day old
    assert segments(runner, at(30.5), at(30.6), at(30.7), at(31.6)) == []  # the fifth: from now on
    assert segment_of(runner) == "passer_by"
    assert [delivered.label for delivered in segments(runner, at(32.7))] == ["browser"]


def test_a_segment_is_left_by_looser_conditions_than_it_is_entered_by() -> None:
    runner = Runner(HELD)
    runner.run(*(at(n / 4) for n in range(10)))
    assert segment_of(runner) == "browser"
    assert segments(runner, at(30), at(30.1), at(30.2), at(33), at(34)) == []  # five, four, three: stays
    assert segment_of(runner) == "browser"
    assert segments(runner, at(70)) == []  # one alone: no browser, if it stays so
    (left,) = segments(runner, at(72))
    assert (left.label, left.evidence["before"]) == ("passer_by", "browser")


def test_of_everybody_else_the_conditions_are_told_that_are_not_met() -> None:
    runner = Runner(HELD)
    runner.run(*(at(n / 4) for n in range(10)))
    runner.run(at(70))
    (left,) = segments(runner, at(72))
    assert {(claim.feature, claim.op, claim.bound) for claim in left.explanation.claims} == {
        ("events_24h", "<", 5.0),
        ("amount_24h", "<=", 20.0),
    }
    assert all(map(holds, left.explanation.claims))
    assert all(part.contribution < 0 for part in left.explanation.contributions)
    assert "events in 24 hours: 2, less than 5" in left.explanation.summary


def test_a_late_event_changes_no_segment() -> None:
    runner = Runner(HELD)
    runner.run(*(at(5 + n / 60) for n in range(4)))
    assert segments(runner, at(1), at(1.1), at(1.2)) == []
    state = runner.state("u1")
    assert state is not None
    assert (state.segment, state.next_segment) == ("passer_by", "")


def test_a_silence_makes_dormant_and_who_comes_back_is_something_else_at_once() -> None:
    runner = Runner(HELD)
    runner.run(*(at(n / 4) for n in range(10)))
    (gone,) = segments(runner, at(6 * 24, "u2"))
    assert (gone.label, gone.evidence["before"]) == ("dormant", "browser")
    assert gone.explanation.summary == "The user has been silent for 5 days and is now dormant (before: browser)"
    assert gone.evidence["confidence_status"] == {"status": "by_definition"}
    (back,) = segments(runner, at(6.5 * 24))
    assert (back.label, back.evidence["before"]) == ("passer_by", "dormant")
    assert back.evidence["before_since_ms"] == START_MS + round(2.25 * HOUR_MS) + 5 * DAY_MS


class Shop:
    """A customer of the shop, by the days on which they come."""

    def __init__(self) -> None:
        self.runner = Runner(SHOP)

    def visits(self, *days: int, buys: bool = False) -> list[str]:
        """Visits of five minutes at noon; what is told of segments."""
        found: list[str] = []
        for day in days:
            kinds = ["view", "view", "view", "purchase" if buys else "view"]
            for step, kind in enumerate(kinds):
                fields = {"price": 20.0} if kind == "purchase" else {}
                content = event("u1", START_MS + day * DAY_MS + (12 * 60 + step) * MINUTE_MS, kind, **fields)
                found += [insight.label or "" for insight in segments(self.runner, content)]
        return found

    @property
    def segment(self) -> str:
        return segment_of(self.runner)


class TestShop:
    def test_who_comes_often_and_buys_is_a_power_user_after_the_first_week(self) -> None:
        shop = Shop()
        assert shop.visits(*range(7), buys=True) == []
        assert shop.segment == "new"
        assert shop.visits(*range(7, 12), buys=True) == ["power_user"]

    def test_becoming_an_active_or_occasional_customer_is_no_news(self) -> None:
        often, seldom = Shop(), Shop()
        assert often.visits(0, 3, 6, 9, 12, 15) == []
        assert seldom.visits(0, 9, 20) == []
        assert (often.segment, seldom.segment) == ("active", "occasional")

    def test_who_comes_on_far_fewer_days_than_usual_is_at_risk_and_a_week_off_is_not(self) -> None:
        workdays = [week * 7 + day for week in range(4) for day in range(5)]
        falls, rests = Shop(), Shop()
        falls.visits(*workdays)
        assert falls.visits(35, 42) == ["at_risk"]
        rests.visits(*workdays)
        assert rests.visits(*(35 + day for day in range(5)), *(42 + day for day in range(5))) == []
        assert rests.segment == "active"

    def test_who_comes_every_saturday_is_never_at_risk(self) -> None:
        shop = Shop()
        assert shop.visits(*range(0, 70, 7)) == []

    def test_an_at_risk_customer_carries_recommendations_as_a_field(self) -> None:
        shop = Shop()
        shop.visits(*(week * 7 + day for week in range(4) for day in range(5)), 35)
        content = event("u1", START_MS + 42 * DAY_MS, "view")
        (delivered,) = segments(shop.runner, content)
        (advice,) = delivered.evidence["recommendations"]
        assert advice["action"] in ("ask_why", "show_what_is_new")
        assert 0 < advice["propensity"] < 1
        assert {"text", "priority", "score"} < advice.keys()


def lives(seed: int) -> list[dict[str, Any]]:
    """Weeks of users whose pace changes, some events late, ten or so silent at the end."""
    draw = Random(seed)
    found: list[tuple[int, dict[str, Any]]] = []
    for number in range(6):
        at_ms = START_MS
        while at_ms < START_MS + 20 * DAY_MS:
            pause_h = draw.choice([0.2, 1, 6]) if (at_ms // (4 * DAY_MS) + number) % 2 else 30
            at_ms += round(draw.expovariate(1 / (pause_h * HOUR_MS)))
            late_ms = draw.randrange(1, 5) * HOUR_MS if draw.random() < 0.05 else 0
            found.append((at_ms, event(f"u{number}", at_ms - late_ms, event_id=f"{number}-{len(found)}")))
    return [content for _, content in sorted(found, key=lambda pair: pair[0])]


def outcome(pack: Pack, contents: list[dict[str, Any]], cuts: list[int]) -> tuple[list[Insight], object, str]:
    runner = Runner(pack, cache_size=2)
    bounds = [0, *cuts, len(contents)]
    delivered = [insight for a, b in pairwise(bounds) for insight in runner.run(*contents[a:b]).insights]
    runner.partition.take_checkpoint()
    states = {key: decode_state(blob)[1] for key, blob in runner.states.items()}
    return delivered, states, digest(runner.partition.models)


@pytest.mark.parametrize("seed", range(3))
def test_where_the_stream_is_cut_changes_nothing(seed: int) -> None:
    contents = lives(seed)
    whole = outcome(HELD, contents, [])
    assert len({insight.label for insight in whole[0] if insight.kind is InsightKind.SEGMENT}) >= 2
    for step in (1, 23):
        assert outcome(HELD, contents, list(range(step, len(contents), step))) == whole


def test_confidence_is_calibrated_and_spread() -> None:
    """Of the states that were given a probability, as many still hold a day later as it says."""
    draw = Random(5)
    delivered: list[tuple[float, bool]] = []
    runner = Runner(HELD)
    rates = runner.partition.models.segment_rates
    learn = rates.learn

    def watch(group: str, cell: int, positive: bool) -> None:
        if (probability := rates.probability(group, cell)) is not None:
            delivered.append((probability, positive))
        learn(group, cell, positive)

    rates.learn = watch  # type: ignore[method-assign]  # a probe in place of the method
    rhythm_h = [draw.uniform(2, 12) for _ in range(60)]
    contents = []
    for number, pause_h in enumerate(rhythm_h):
        at_ms = START_MS
        while at_ms < START_MS + 60 * DAY_MS:
            at_ms += 1 + round(draw.expovariate(1 / (pause_h * HOUR_MS)))
            contents.append(event(f"u{number}", at_ms))
    contents.sort(key=lambda content: int(content["event_time"]))
    for start in range(0, len(contents), 500):
        runner.run(*contents[start : start + 500])
    assert len(delivered) > 2000
    assert max(p for p, _ in delivered) - min(p for p, _ in delivered) > 0.3
    bins: dict[int, list[tuple[float, bool]]] = {}
    for probability, held in delivered[500:]:
        bins.setdefault(int(10 * probability), []).append((probability, held))
    error = sum(abs(sum(p for p, _ in cases) - sum(held for _, held in cases)) for cases in bins.values())
    assert error / len(delivered[500:]) <= 0.03

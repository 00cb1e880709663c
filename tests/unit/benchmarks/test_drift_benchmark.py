"""The benchmark of drift, on a small shop: what breaks is told as such, soon, and a quiet shop is quiet."""

from __future__ import annotations

import copy
from collections import Counter

import pytest

from benchmarks.drift import (
    CHANGE_MS,
    DAY_MS,
    HOUR_MS,
    SCENARIOS,
    START_MS,
    Played,
    Scenario,
    busy,
    go_on,
    play,
    traffic,
)
from ubi_stream.synthetic.population import TrafficOptions

OPTIONS = TrafficOptions(users=300, rate=0.2, start_ms=START_MS, seed=1)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.fixture(scope="module")
def played() -> Played:
    return play(OPTIONS, block=200)


def test_nights_are_quiet_and_weekends_busy() -> None:
    night, day = busy(START_MS + 4 * HOUR_MS), busy(START_MS + 16 * HOUR_MS)
    assert night == pytest.approx(day / 4)
    assert busy(START_MS + DAY_MS + 18 * HOUR_MS) == pytest.approx(1.0) == pytest.approx(1.3 * day)
    hours = Counter((event["event_time"] - START_MS) // HOUR_MS for event in traffic(OPTIONS))
    assert sum(hours[at] for at in range(15, 18)) > 2 * sum(hours[at] for at in range(3, 6))
    assert max(hours) == 5 * 24 - 1


def test_in_a_quiet_shop_nothing_is_told_after_the_change_that_is_none(played: Played) -> None:
    assert go_on(played, BY_NAME["nothing"]).others == []


@pytest.mark.parametrize(
    ("name", "hours"), [("`category` is null", 4), ("`cart` is no longer sent", 12)], ids=["property", "type"]
)
def test_broken_tracking_is_told_as_such_and_soon(played: Played, name: str, hours: int) -> None:
    scenario: Scenario = BY_NAME[name]
    found = go_on(played, scenario).found
    assert found is not None
    assert found.label == scenario.verdict == "tracking_broke"
    assert CHANGE_MS < found.at_ms < CHANGE_MS + hours * HOUR_MS


def test_each_scenario_begins_with_the_same_days(played: Played) -> None:
    before = copy.deepcopy(played.told)
    first, again = (go_on(played, BY_NAME["`category` is null"]) for _ in range(2))
    assert first == again
    assert played.told == before

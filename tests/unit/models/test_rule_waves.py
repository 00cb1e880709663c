"""Many users who meet a rule at once: found by share, held back while it lasts, told when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.snapshot import dumps, loads
from ubi_stream.rules.waves import RuleExposure, RuleWave, RuleWaves

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
SLOW_MS = 2 * DAY_MS + 14 * HOUR_MS


def checkouts(
    days: float, *, per_hour: float, slow: tuple[int, int] = (0, 0), usual: float = 0.01, seed: int = 1
) -> Iterator[RuleExposure]:
    """Checkouts of users who are all different; nine of ten are slow in the interval `slow`."""
    draw, at_ms, row = Random(seed), 0.0, 0
    while at_ms < days * DAY_MS:
        at_ms += draw.expovariate(per_hour / HOUR_MS)
        met = draw.random() < (0.9 if slow[0] <= at_ms < slow[1] else usual)
        yield RuleExposure(row, 0, f"u{row}", round(at_ms), met, draw.uniform(4_000, 9_000) if met else 800.0)
        row += 1


def make() -> RuleWaves:
    return RuleWaves(["slow", "other"], [0.01, 0.01], [False, False])


def found(exposures: Iterator[RuleExposure]) -> list[RuleWave]:
    waves, _ = make().watch(exposures)
    return [wave for row in waves for wave in waves[row]]


@pytest.mark.parametrize("seed", range(5))
def test_three_quarters_of_an_hour_are_one_wave_that_begins_soon_and_ends(seed: int) -> None:
    slow = (SLOW_MS, SLOW_MS + 45 * MINUTE_MS)
    begins, over = found(checkouts(3, per_hour=40, slow=slow, seed=seed))
    assert begins.begins
    assert not over.begins
    assert SLOW_MS <= begins.since_ms <= begins.until_ms <= SLOW_MS + 20 * MINUTE_MS
    assert 3 <= begins.met <= begins.entities <= 8
    assert begins.usual < 0.03
    assert begins.value > 3_000
    assert over.since_ms == begins.since_ms
    assert slow[1] - 20 * MINUTE_MS <= over.until_ms <= slow[1] + HOUR_MS
    assert over.held >= over.met - begins.met > 5


@pytest.mark.parametrize(("usual", "seed"), [(0.002, 1), (0.01, 2), (0.05, 3), (0.3, 4), (0.9, 5)])
def test_weeks_in_which_nothing_happens_have_no_wave(usual: float, seed: int) -> None:
    assert found(checkouts(28, per_hour=15, usual=usual, seed=seed)) == []


def test_one_user_is_no_wave() -> None:
    usual = list(checkouts(2, per_hour=20))
    angry = [RuleExposure(0, 0, "u", SLOW_MS + 30_000 * number, True, 9_000.0) for number in range(200)]
    assert found(iter([*usual, *angry])) == []


def test_what_users_meet_in_a_wave_is_held_back_and_after_it_is_not() -> None:
    slow = (SLOW_MS, SLOW_MS + 45 * MINUTE_MS)
    exposures = list(checkouts(3, per_hour=40, slow=slow))
    waves, held = make().watch(iter(exposures))
    first, last = waves
    inside = {(one.row, 0) for one in exposures if one.met and first <= one.row < last}
    assert held == inside


def test_what_lasts_longer_than_a_day_is_usual_from_then_on() -> None:
    waves = found(checkouts(7, per_hour=20, slow=(SLOW_MS, 7 * DAY_MS)))
    assert [wave.begins for wave in waves] == [True, False]


@pytest.mark.parametrize("cut", [1, 13])
def test_exposures_may_come_in_any_batches_and_a_snapshot_changes_nothing(cut: int) -> None:
    exposures = list(checkouts(3, per_hour=40, slow=(SLOW_MS, SLOW_MS + 45 * MINUTE_MS)))
    whole, parts = make(), make()
    delivered = whole.watch(iter(exposures))
    waves: dict[int, list[RuleWave]] = {}
    held: set[tuple[int, int]] = set()
    for start in range(0, len(exposures), cut):
        some, back = parts.watch(exposures[start : start + cut])
        waves, held = waves | some, held | back
        if start // cut % 50 == 0:
            parts = loads(dumps(parts, key=b"k", feature_hash="f"), key=b"k", feature_hash="f")  # type: ignore[assignment]  # what was written
    assert (waves, held) == delivered
    assert digest(parts) == digest(whole)


def test_what_all_do_at_an_hour_is_usual_there_and_a_burst_at_another_hour_is_a_wave() -> None:
    waves = RuleWaves(["night"], [0.002], [True])
    draw, exposures, row = Random(3), list[RuleExposure](), 0
    for hour in range(24 * 6):
        for _ in range(120):
            at_ms = hour * HOUR_MS + draw.randrange(HOUR_MS)
            exposures.append(RuleExposure(row, 0, f"u{row}", at_ms, hour % 24 < 5, 2.0))
            row += 1
    exposures.sort(key=lambda one: one.at_ms)
    assert waves.watch(iter(exposures)) == ({}, set())  # from the first night on
    noon_ms = 6 * DAY_MS + 12 * HOUR_MS
    burst = [RuleExposure(number, 0, f"b{number}", noon_ms + 1000 * number, True, 2.0) for number in range(20)]
    found, held = waves.watch(iter(burst))
    [[wave]] = found.values()
    assert wave.begins
    assert wave.met <= 5
    assert len(held) >= 15


def test_two_who_meet_it_by_far_are_enough_where_that_is_rare() -> None:
    waves = RuleWaves(["slow"], [0.01], [False])
    calm = [RuleExposure(row, 0, f"u{row}", row * 60_000, row % 100 == 0, 3_200.0) for row in range(1, 1_000)]
    assert waves.watch(calm) == ({}, set())
    slow = [RuleExposure(row, 0, f"u{row}", row * 60_000, True, 9_000.0, far=True) for row in range(1_000, 1_010)]
    found, held = waves.watch(slow)
    (wave,) = found[1_001]
    assert (wave.met, wave.entities, wave.value) == (2, 2, 9_000.0)
    assert len(held) == 9


def test_two_who_meet_it_by_far_are_nothing_where_many_do() -> None:
    waves = RuleWaves(["slow"], [0.1], [False])
    usual = [
        RuleExposure(row, 0, f"u{row}", row * 60_000, row % 10 == 0, 9_000.0, far=row % 10 == 0) for row in range(2_000)
    ]
    assert waves.watch(usual) == ({}, set())


def far_off(gap_ms: int, count: int, *, before_ms: int, before: int) -> Iterator[RuleExposure]:
    """One user in a hundred is slow for a while; then each is, by far."""
    at_ms = 0
    for row in range(before + count):
        met = row >= before or row % 100 == 50
        at_ms += gap_ms if row >= before else before_ms
        yield RuleExposure(row, 0, f"u{row}", at_ms, met, 9_000.0 if met else 800.0, row >= before)


def test_what_is_far_off_for_longer_than_a_day_is_usual_from_then_on() -> None:
    waves = found(far_off(5 * MINUTE_MS, 700, before_ms=5 * MINUTE_MS, before=2_000))
    assert [wave.begins for wave in waves] == [True, False]
    assert waves[1].until_ms - waves[0].since_ms >= DAY_MS


def test_a_wave_of_few_who_are_far_off_has_users() -> None:
    waves = found(far_off(55 * MINUTE_MS, 120, before_ms=30 * MINUTE_MS, before=200))
    assert waves
    assert all(wave.entities > 0 and 0.0 < wave.share <= 1.0 for wave in waves)

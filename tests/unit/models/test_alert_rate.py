"""When many entities alert at once, it is told once; one that runs wild is no wave."""

from __future__ import annotations

import numpy as np
import pytest

from ubi_stream.models.anomaly.alert_rate import AlertRate, DistinctCount, ScoredRows, Wave
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.snapshot import dumps, loads
from ubi_stream.packs.models import PopulationAlert

ASKED = 0.005
SECOND_MS = 1_000
Alerts = list[tuple[int, int, str]]


def make(**changes: float) -> AlertRate:
    return AlertRate(PopulationAlert.model_validate(changes), ASKED)


def rows(n: int, start: int, alerts: Alerts) -> ScoredRows:
    """One row a second."""
    return ScoredRows(range(start * SECOND_MS, (start + n) * SECOND_MS, SECOND_MS), np.ones(n, dtype=np.bool_), alerts)


def usual(n: int, start: int, seed: int = 1) -> ScoredRows:
    """Alerts at the rate asked for, each of another entity."""
    rng = np.random.default_rng(seed + start)
    places = np.flatnonzero(rng.random(n) < ASKED).tolist()
    return rows(n, start, [(place, int(rng.integers(2**62)), "pace") for place in places])


def settled() -> AlertRate:
    rate = make()
    assert rate.watch(usual(6_000, 0)) == ({}, set())
    return rate


def every(step: int, n: int, *, lead: str = "wait", entities: int = 10**9) -> Alerts:
    return [(place, 7_919 * (place // step % entities + 1), lead) for place in range(0, n, step)]


def test_a_wave_is_told_once_and_the_rest_is_held_back_until_it_is_over() -> None:
    #   100 min as asked | 30 min with an alert every 10 s, 20 times as many as asked | 30 min as asked
    rate = settled()
    waves, held = rate.watch(rows(1_800, 6_000, every(10, 1_800)))
    ((first, wave),) = waves.items()
    assert wave.begins
    assert first < 300, "twenty alerts are enough"
    assert wave.entities >= 20
    assert wave.factor > 5
    assert wave.leads[0][0] == "wait"
    assert held == set(range(first + 10, 1_800, 10))
    over, held_after = rate.watch(usual(1_800, 7_800))
    ((last, end),) = over.items()
    assert not end.begins
    assert last <= 900, "told after a calm half window"
    assert end.held == len(held) + len(held_after)
    assert end.entities == pytest.approx(end.held, rel=0.02)
    assert end.since_ms == wave.since_ms == (6_000 + first) * SECOND_MS
    assert not rate.active


def test_one_entity_that_runs_wild_is_no_wave() -> None:
    assert settled().watch(rows(1_800, 6_000, every(2, 1_800, entities=3))) == ({}, set())


def test_a_rate_as_asked_is_never_a_wave() -> None:
    rate = make()
    for start in range(0, 400_000, 5_000):
        assert rate.watch(usual(5_000, start)) == ({}, set())


def test_before_the_threshold_is_known_well_there_is_no_wave() -> None:
    assert make().watch(rows(1_500, 0, every(10, 1_500))) == ({}, set())


def test_few_entities_are_no_wave() -> None:
    rate = make(min_entities=200)
    rate.watch(usual(6_000, 0))
    assert rate.watch(rows(600, 6_000, every(10, 600))) == ({}, set())


def test_a_silence_ends_a_wave() -> None:
    rate = settled()
    rate.watch(rows(600, 6_000, every(5, 600)))
    assert rate.active
    waves, held = rate.watch(rows(10, 20_000, []))
    assert [wave.begins for wave in waves.values()] == [False]
    assert held == set()


@pytest.mark.parametrize("cut", [1, 13, 250])
def test_rows_may_come_in_any_batches_and_a_snapshot_between(cut: int) -> None:
    whole, parts = settled(), settled()
    stream = rows(1_800, 6_000, every(10, 900))
    waves, held = whole.watch(stream)
    got_waves: dict[int, Wave] = {}
    got_held: set[int] = set()
    for start in range(0, 1_800, cut):
        part = [(place - start, *rest) for place, *rest in stream.alerts if start <= place < start + cut]
        again = rows(min(cut, 1_800 - start), 6_000 + start, part)  # type: ignore[arg-type]  # a tuple put together
        found, back = parts.watch(again)
        got_waves |= {start + row: wave for row, wave in found.items()}
        got_held |= {start + row for row in back}
        if start % (50 * cut) == 0:
            restored = loads(dumps(parts, key=b"k", feature_hash="f"), key=b"k", feature_hash="f")
            assert isinstance(restored, AlertRate)
            parts = restored
    assert (got_waves, got_held) == (waves, held)
    assert len(waves) == 2
    assert digest(parts) == digest(whole)


@pytest.mark.parametrize("n", [1, 30, 1_000, 20_000])
def test_distinct_entities_are_counted_about_right_in_fixed_memory(n: int) -> None:
    count = DistinctCount()
    rng = np.random.default_rng(n)
    for key in rng.integers(-(2**62), 2**62, n).tolist() * 2:
        count.add(key)
    assert count.value == pytest.approx(n, rel=0.03)
    assert len(dumps(count, key=b"k", feature_hash="f")) < 5_000

"""Planted drifts: users that change, tracking that breaks, and long streams in which nothing happens."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from river.drift import PageHinkley

from support.folding import PLAN
from ubi_stream.arrays import FloatArray
from ubi_stream.models.anomaly.combinations import Combinations
from ubi_stream.models.anomaly.recurrence import GROUPS
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.snapshot import dumps, loads
from ubi_stream.models.drift.losses import LossWatch
from ubi_stream.models.drift.metrics import MetricKind, MetricRows
from ubi_stream.models.drift.page_hinkley import PageHinkleyMany
from ubi_stream.models.drift.seasonal_baseline import Levels
from ubi_stream.models.drift.verdict import Drift, DriftVerdict
from ubi_stream.models.drift.watch import DriftWatch
from ubi_stream.packs.models import DriftModel

FEATURES = ("pace", "wait")
BLOCK = 200
HOUR_MS = 3_600_000
VIEW, CART, PURCHASE = range(3)
PROPERTIES = ("category", "price", "latency_ms")


@dataclass(frozen=True)
class Day:
    """How events are drawn: shares of the types, of the properties by type, means of the features."""

    types: tuple[float, float, float] = (0.8, 0.15, 0.05)
    category: float = 0.9
    price: float = 1.0
    latency: float = 0.5
    pace: float = 0.4
    users: float = 0.3


def key(kind: int, band: int, present: tuple[bool, bool, bool]) -> int:
    code = kind
    for there in present:
        code = 2 * code + there
    return code * GROUPS + band


def draw(
    rng: np.random.Generator, n: int, start: int, day: Callable[[int], Day], *, per_hour: int = 2_000
) -> MetricRows:
    """Rows `start` to `start + n` of a stream in which row i is drawn as `day(i)` says; with a daily rhythm."""
    keys, features, firsts = [], [], []
    times = (np.arange(start, start + n) * HOUR_MS / per_hour).astype(np.int64)
    for i in range(n):
        how = day(start + i)
        hour = times[i] // HOUR_MS % 24
        kind = int(rng.choice(3, p=how.types))
        present = (
            bool(rng.random() < how.category),
            kind == PURCHASE and bool(rng.random() < how.price),
            bool(rng.random() < how.latency),
        )
        keys.append(key(kind, int(hour) // 4, present))
        pace = how.pace + 0.05 * math.sin(2 * math.pi * hour / 24) + 0.1 * rng.standard_normal()
        features.append((pace, 0.5 + 0.1 * rng.standard_normal() if rng.random() < 0.5 else math.nan))
        firsts.append(bool(rng.random() < how.users))
    return MetricRows(times.tolist(), np.array(keys, dtype=np.uint64), firsts, np.array(features))


def make(**changes: float) -> DriftWatch:
    config = DriftModel(block=BLOCK, warm_up_h=24).model_copy(update=changes)
    return DriftWatch(config, Combinations(PLAN), FEATURES)


def found(watch: DriftWatch, day: Callable[[int], Day], n: int, *, seed: int = 1) -> Iterator[tuple[int, Drift]]:
    """Drifts with the number of the row that brought them to light."""
    rng = np.random.default_rng(seed)
    for start in range(0, n, 1_000):
        for row, drifts in watch.watch(draw(rng, 1_000, start, day)).items():
            yield from ((start + row, drift) for drift in drifts)


def changed_at(start: int, new: Day) -> Callable[[int], Day]:
    usual = Day()
    return lambda i: new if i >= start else usual


START = 60_000
"""Thirty hours."""


def test_a_long_stream_in_which_nothing_happens_tells_nothing() -> None:
    watch = make()
    usual = Day()
    assert list(found(watch, lambda _: usual, 250_000)) == []
    assert watch.n_blocks == 1_250
    assert watch.found <= 1


@pytest.mark.parametrize(
    ("new", "kind", "name", "within"),
    [
        (Day(types=(0.84, 0.16, 0.0)), MetricKind.TYPE, "purchase", 20),
        (Day(types=(0.95, 0.0, 0.05)), MetricKind.TYPE, "cart", 10),
        (Day(category=0.0), MetricKind.MISSING, "category", 5),
        (Day(price=0.0), MetricKind.MISSING, "price", 10),
        (Day(latency=0.0), MetricKind.MISSING, "latency_ms", 10),
    ],
)
def test_what_vanishes_at_once_is_broken_tracking(new: Day, kind: MetricKind, name: str, within: int) -> None:
    drifts = list(found(make(), changed_at(START, new), START + 40 * BLOCK))
    row, first = drifts[0]
    assert (first.subject.kind, first.subject.name) == (kind, name)
    assert first.verdict is DriftVerdict.TRACKING_BROKE
    assert START < row <= START + within * BLOCK
    assert abs(first.since_ms - START * HOUR_MS / 2_000) < 4 * BLOCK * HOUR_MS / 2_000
    assert first.action == "reset"
    assert {drift.subject.name for _, drift in drifts} == {name}, "consequences are not told"


def test_figures_of_a_break_are_right() -> None:
    _, drift = next(found(make(), changed_at(START, Day(category=0.1)), START + 20 * BLOCK))
    assert drift.before == pytest.approx(0.0, abs=0.03)
    assert drift.after == pytest.approx(1.0 - 0.1 / 0.9, abs=0.05)


def test_a_few_users_are_not_the_tracking() -> None:
    usual, lone = Day(), Day(types=(0.95, 0.0, 0.05), users=0.01)
    drifts = list(found(make(), lambda i: lone if i >= START else usual, START + 30 * BLOCK))
    assert drifts
    assert {drift.verdict for _, drift in drifts} == {DriftVerdict.USERS_CHANGED}


def test_users_that_change_gradually_are_told_as_that() -> None:
    #   carts rise from 15 % to 45 % over 60 blocks
    def day(i: int) -> Day:
        carts = 0.15 + 0.3 * min(max((i - START) / (60 * BLOCK), 0.0), 1.0)
        return Day(types=(0.95 - carts, carts, 0.05))

    drifts = list(found(make(), day, START + 80 * BLOCK))
    row, first = next((row, drift) for row, drift in drifts if drift.subject.name == "cart")
    assert first.after > 1.5 * first.before
    assert START < row < START + 60 * BLOCK
    assert {drift.verdict for _, drift in drifts} == {DriftVerdict.USERS_CHANGED}


def test_a_type_that_dies_away_is_no_broken_tracking() -> None:
    def day(i: int) -> Day:
        carts = 0.15 * (1.0 - min(max((i - START) / (60 * BLOCK), 0.0), 1.0))
        return Day(types=(0.95 - carts, carts, 0.05))

    drifts = list(found(make(), day, START + 100 * BLOCK))
    assert any(drift.subject.name == "cart" for _, drift in drifts)
    assert {drift.verdict for _, drift in drifts} == {DriftVerdict.USERS_CHANGED}


def test_a_feature_that_moves_is_told_with_its_means() -> None:
    drifts = list(found(make(), changed_at(START, Day(pace=0.55)), START + 30 * BLOCK))
    ((row, drift),) = drifts
    assert (drift.subject.kind, drift.subject.name) == (MetricKind.FEATURE, "pace")
    assert drift.after - drift.before == pytest.approx(0.15, abs=0.05)
    assert row < START + 15 * BLOCK


def test_nothing_is_told_while_warming_up() -> None:
    early = 20_000
    watch = make()
    assert list(found(watch, changed_at(early, Day(category=0.0)), early + 10 * BLOCK)) == []
    assert not watch.ready


def test_it_goes_on_from_the_new_level() -> None:
    new = Day(types=(0.4, 0.55, 0.05))
    drifts = list(found(make(), changed_at(START, new), START + 300 * BLOCK))
    assert len([drift for _, drift in drifts if drift.subject.name == "cart"]) == 1


@pytest.mark.parametrize("cut", [1, 7, 199, 1_000])
def test_rows_may_come_in_any_batches(cut: int) -> None:
    rows = draw(np.random.default_rng(3), 3_000, 0, changed_at(1_500, Day(category=0.0, pace=0.9)))
    whole, parts = (make(warm_up_h=0, min_blocks=5) for _ in range(2))
    delivered = whole.watch(rows)
    again: dict[int, list[Drift]] = {}
    for start in range(0, 3_000, cut):
        again |= {start + row: drifts for row, drifts in parts.watch(rows[start : start + cut]).items()}
    assert again == delivered
    assert digest(parts) == digest(whole)


def test_a_snapshot_changes_nothing_and_is_small() -> None:
    rows = draw(np.random.default_rng(3), 4_000, 0, changed_at(2_000, Day(category=0.0)))
    whole, restored = (make(warm_up_h=0, min_blocks=5) for _ in range(2))
    for start in range(0, 4_000, 333):
        whole.watch(rows[start : start + 333])
        restored.watch(rows[start : start + 333])
        blob = dumps(restored, key=b"k", feature_hash="f")
        restored = loads(blob, key=b"k", feature_hash="f")  # type: ignore[assignment]  # what was written
        assert len(blob) < 12_000
    assert digest(whole) == digest(restored)


def test_bad_values_are_no_observations() -> None:
    watch = make(warm_up_h=0, min_blocks=5)
    rng = np.random.default_rng(4)
    rows = draw(rng, 4_000, 0, lambda _: Day())
    rows.features[rng.random(rows.features.shape) < 0.5] = math.nan
    rows.features[:, 1] = math.nan
    stopped = MetricRows([0] * len(rows.keys), rows.keys, rows.firsts, rows.features)  # time stands still
    assert watch.watch(stopped) == {}
    assert watch.n_blocks == 20


def test_the_test_equals_rivers() -> None:
    rng = np.random.default_rng(5)
    settings = {"min_instances": 10, "delta": 0.3, "threshold": 12.0, "alpha": 0.99}
    local = PageHinkleyMany(3, **settings)  # type: ignore[arg-type]  # min_instances is a whole number
    rivers = [PageHinkley(**settings) for _ in range(3)]
    alarms = 0
    for i in range(1_500):
        values = rng.standard_normal(3) + np.array([2.0 * (i // 300 % 2), 0.0, 0.01 * (i % 500)])
        changed = local.update(values)
        for column, test in enumerate(rivers):
            test.update(float(values[column]))
            assert test.drift_detected == changed[column]
        local.reset(changed)
        alarms += int(changed.sum())
    assert alarms > 5


def test_a_level_knows_the_hour_and_bears_outliers() -> None:
    levels = Levels(np.array([0.01, 0.01]))
    rng = np.random.default_rng(6)
    for i in range(24 * 40):
        value = 5.0 * (8 <= i % 24 < 20) + 0.2 * rng.standard_normal()
        levels.learn(np.array([1e6 if i % 97 == 50 else value, math.nan]), i % 24)
    day, night = levels.usual(12)[0], levels.usual(2)[0]
    assert day - night == pytest.approx(5.0, abs=1.0)
    deviations: FloatArray = levels.deviations(np.array([5.0, 1.0]), 12)
    assert abs(deviations[0]) < 3.0
    assert np.isnan(deviations[1])


class TestLoss:
    def test_a_model_that_becomes_worse_is_told_soon_and_one_that_does_not_never(self) -> None:
        rng = np.random.default_rng(7)
        steady, broken = LossWatch(), LossWatch()
        losses = rng.exponential(0.3, 20_000)
        assert [found for loss in losses if (found := steady.update(float(loss)))] == []
        for loss in losses[:2_000]:
            assert broken.update(float(loss)) is None
        after = [broken.update(float(loss) + 0.7) for loss in losses[2_000:2_400]]
        moved = next(moved for moved in after if moved is not None)
        assert moved.worse

    def test_what_is_no_loss_is_ignored(self) -> None:
        watch = LossWatch()
        assert [watch.update(loss) for loss in (math.nan, -1.0)] == [None, None]
        assert watch.mean == 0.0
        watch.update(math.inf)
        assert watch.mean == pytest.approx(5.0)

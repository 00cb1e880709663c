"""Watches a partition for drift, and says whether its users changed or its tracking broke."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import log
from typing import Final

import numpy as np

from ubi_stream.arrays import FloatArray, blocks
from ubi_stream.models.anomaly.combinations import Combinations
from ubi_stream.models.drift.metrics import BlockMetrics, MetricKind, MetricRows, Observation, WatchedMetric
from ubi_stream.models.drift.page_hinkley import PageHinkleyMany
from ubi_stream.models.drift.river_detector import MetricWatch
from ubi_stream.models.drift.seasonal_baseline import Levels, RateHistory
from ubi_stream.models.drift.verdict import Drift, DriftVerdict
from ubi_stream.packs.models import DriftModel
from ubi_stream.state.panes import HOUR_MS

_DELTA: Final = {
    MetricKind.RATE: 1.0,
    MetricKind.TYPE: 0.5,
    MetricKind.MISSING: 1.0,
    MetricKind.FEATURE: 1.0,
}
"""Deviations of a block from its level that are nothing to tell, however long they last.

Shares of types are drawn anew in each block, so less is enough; features of neighbouring blocks are of the same visits.
"""

_THRESHOLD: Final = {
    MetricKind.RATE: 20.0,
    MetricKind.TYPE: 15.0,
    MetricKind.MISSING: 20.0,
    MetricKind.FEATURE: 20.0,
}
"""Deviations beyond these, added up, that make a change."""

_DOUBT: Final = 0.3
"""Share of that evidence from which on a level is not learned: a change must not become usual before it is told."""

_DOUBTED: Final = 20
"""Blocks for which it isn't, at most: after that it is the level that is wrong."""

_FAR: Final = {
    MetricKind.RATE: 5.0,
    MetricKind.TYPE: 5.0,
    MetricKind.MISSING: 8.0,
    MetricKind.FEATURE: 5.0,
}
"""Deviations: a block further out counts as one that far, so that it takes several.

A bot fills a block now and then with views at machine pace, but leaves out no property that others have."""

NEWEST: Final = 5
"""Blocks that say where a figure is now, at most."""

_RING: Final = 64
"""Newest blocks whose distance from what was usual is kept, to tell how far a change went, and whether at once."""

_ON_THE_WAY: Final = 2
"""Blocks in which a change that came at once may be more than a quarter done and less than three: it begins in one."""

_GONE: Final = 0.25
"""A type of which less than this share is left, or a property, is gone."""

_USERS: Final = 10
"""Entities in a block of whom tracking could break: fewer are one who behaves oddly."""

_CONSEQUENCES: Final = 20
"""Blocks after a break in which what else moves is taken for its consequence."""

_NEW_RATE: Final = 0.2
"""Decimal logarithm by which a rate must be beyond those of a week."""

_RETURNED: Final = 0.5
"""Share of a change that may be between a figure's new level and a former one, to which it returns."""

_FLOORS: Final = {
    MetricKind.RATE: 0.03,
    MetricKind.TYPE: 0.002,
    MetricKind.MISSING: 0.02,
    MetricKind.FEATURE: 0.005,
}
"""Smallest spread of a block's figure by kind: differences below it are never told."""

_LEAST: Final = {MetricKind.RATE: 0.3, MetricKind.MISSING: 0.15, MetricKind.FEATURE: 0.05}
"""Smallest change that is told: a factor of two, a share of the events, of the feature's range."""

_TYPE_FACTOR: Final = 1.5
"""The same for a type's share, as a factor."""


class DriftWatch:
    """Compares each block of events with what is usual at its hour, by a Page-Hinkley test for each figure.

    Blocks are counted in rows, so results don't depend on how rows come. Memory is fixed.

    Parameters
    ----------
    config
        Size of a block, warm-up.
    combinations
        How rows' discrete values are read.
    features
        Names of the watched features.
    further
        Further detectors, by the feature whose means they watch.

    Attributes
    ----------
    n_blocks
        Blocks so far.
    found
        Drifts so far, also consequences of a break, which are not told.
    """

    def __init__(
        self,
        config: DriftModel,
        combinations: Combinations,
        features: tuple[str, ...],
        further: Mapping[str, Sequence[MetricWatch]] | None = None,
    ) -> None:
        self._block = config.block
        self._min_blocks = config.min_blocks
        self._warm_up_ms = round(config.warm_up_h * HOUR_MS)
        self.figures = BlockMetrics(combinations, features)
        subjects = self.figures.subjects
        self.levels = Levels(np.array([_FLOORS[subject.kind] for subject in subjects]))
        delta, threshold = (_by_subject(by_kind, subjects) for by_kind in (_DELTA, _THRESHOLD))
        self.test = PageHinkleyMany(len(subjects), min_instances=config.min_blocks, delta=delta, threshold=threshold)
        self._gaps = np.full((_RING, len(subjects)), np.nan, dtype=np.float32)
        self._times = np.zeros(_RING, dtype=np.int64)
        self._first_ms = -1
        self._broke_at = -_CONSEQUENCES
        self._rates = RateHistory()
        self._former: dict[WatchedMetric, float] = {}
        self.n_blocks = 0
        self.found = 0
        self.further = {
            column: tuple(further[subject.name])
            for column, subject in enumerate(subjects)
            if further and subject.kind is MetricKind.FEATURE and subject.name in further
        }

    @property
    def ready(self) -> bool:
        """Whether enough was seen to tell a change."""
        newest = int(self._times[(self.n_blocks - 1) % _RING]) if self.n_blocks else -1
        return self.n_blocks >= self._min_blocks and newest - self._first_ms >= self._warm_up_ms

    def watch(self, rows: MetricRows) -> dict[int, list[Drift]]:
        """Take in rows; returns the drifts that come to light, by the position of the row that ends their block."""
        found: dict[int, list[Drift]] = {}
        n = len(rows.keys)
        for part in blocks(n, self.figures.filled, self._block):
            self.figures.add(rows[part])
            if self.figures.filled == self._block:
                drifts = self._end_block(rows.watermarks_ms[part.stop - 1])
                if drifts:
                    found[part.stop - 1] = drifts
        return found

    def _end_block(self, at_ms: int) -> list[Drift]:
        seen = self.figures.end(at_ms)
        hour = at_ms // HOUR_MS % 24
        if self._first_ms < 0:
            self._first_ms = at_ms
        usual = self.levels.usual(hour)
        place = self.n_blocks % _RING
        self._gaps[place], self._times[place] = seen.values - usual, at_ms
        self.n_blocks += 1
        moved = np.zeros(len(seen.values), dtype=np.bool_)
        if self.ready:
            deviations, far = self.levels.deviations(seen.values, hour), _by_subject(_FAR, self.figures.subjects)
            moved = self.test.update(np.clip(deviations, -far, far))
        doubtful = (np.maximum(self.test.rise, self.test.fall) > _DOUBT * self.test.threshold) & (
            self.test.length < _DOUBTED
        )
        self.levels.learn(np.where(doubtful, np.nan, seen.values), hour)
        drifts: list[Drift] = []
        for column in np.flatnonzero(moved).tolist():
            drift, newest, blocks_there = self._drift(column, float(usual[column]), seen)
            if _is_large(drift):
                self.found += 1
                self.levels.move(column, newest, blocks_there)
                drifts.append(drift)
            else:
                moved[column] = False  # its evidence stays: a change that goes on is told when it is large enough
        self.test.reset(moved)
        news = [drift for drift in drifts if self._is_news(drift, at_ms)]
        self._rates.learn(float(seen.values[0]), at_ms // HOUR_MS)
        return self._worth_reporting([*news, *self._by_further(seen)])

    def _is_news(self, drift: Drift, at_ms: int) -> bool:
        """Whether a drift is no return to a former level; and a rate, none that another hour or day had."""
        subject, moved = drift.subject, abs(drift.after - drift.before)
        if subject.kind is MetricKind.RATE and not self._rates.is_new(drift.after, at_ms // HOUR_MS, _NEW_RATE):
            return False
        former = self._former.pop(subject, None)
        if former is not None and abs(drift.after - former) <= _RETURNED * moved:
            return False
        self._former[subject] = drift.before
        return True

    def _by_further(self, seen: Observation) -> Iterator[Drift]:
        """What the pack's detectors say of the block; ours go on from the levels that they know."""
        for column, watches in self.further.items():
            for watch in watches:
                moved = watch.update(float(seen.values[column]))
                if moved is None or not self.ready:
                    continue
                self.found += 1
                blocks = min(NEWEST, self.n_blocks)
                since_ms = int(self._times[(self.n_blocks - blocks) % _RING])
                subject, verdict = self.figures.subjects[column], DriftVerdict.USERS_CHANGED
                yield Drift(
                    subject, moved.before, moved.after, since_ms, blocks, seen.entities, verdict, "kept", watch.name
                )

    def _drift(self, column: int, usual: float, seen: Observation) -> tuple[Drift, float, int]:
        """Describe a change; also how far from what was usual the figure is now, and for how many blocks."""
        length = min(max(int(self.test.length[column]), 1), _RING, self.n_blocks)
        places = (self.n_blocks - length + np.arange(length)) % _RING
        gaps = self._gaps[places, column].astype(np.float64)
        gaps = gaps[~np.isnan(gaps)]
        last = min(max(len(gaps) // 3, 1), NEWEST)  # in a change that goes on, that is where it has come to
        newest = float(np.add.reduce(gaps[-last:]) / last)
        subject = self.figures.subjects[column]
        after = usual + newest if subject.kind is MetricKind.RATE else min(max(usual + newest, 0.0), 1.0)
        gone = _is_gone(subject, usual, after) and _came_at_once(gaps / newest)
        verdict = DriftVerdict.TRACKING_BROKE if gone and seen.entities >= _USERS else DriftVerdict.USERS_CHANGED
        since_ms = int(self._times[places[0]])
        return Drift(subject, usual, after, since_ms, length, seen.entities, verdict, "reset"), newest, last

    def _worth_reporting(self, delivered: list[Drift]) -> list[Drift]:
        """The strongest, with the others' subjects; after a break, what else moves is its consequence, and not told."""
        broken = [drift for drift in delivered if drift.verdict is DriftVerdict.TRACKING_BROKE]
        if broken:
            self._broke_at = self.n_blocks
        elif self.n_blocks - self._broke_at < _CONSEQUENCES:
            return []
        return _strongest(broken or delivered)


def _strongest(drifts: list[Drift]) -> list[Drift]:
    """Of several drifts, the one that is largest against what is told at all, with the subjects of the others."""
    if len(drifts) < 2:
        return drifts
    first = max(drifts, key=_size)
    return [replace(first, others=tuple(drift.subject for drift in drifts if drift is not first))]


def _size(drift: Drift) -> float:
    if drift.subject.kind is MetricKind.TYPE:
        return abs(log(max(drift.after, 1e-4) / max(drift.before, 1e-4))) / log(_TYPE_FACTOR)
    return abs(drift.after - drift.before) / _LEAST[drift.subject.kind]


def _by_subject(by_kind: Mapping[MetricKind, float], subjects: Sequence[WatchedMetric]) -> FloatArray:
    return np.array([by_kind[subject.kind] for subject in subjects])


def _is_gone(subject: WatchedMetric, before: float, after: float) -> bool:
    if subject.kind is MetricKind.TYPE:
        return after < _GONE * before
    return subject.kind is MetricKind.MISSING and 1.0 - after < _GONE * max(1.0 - before, 0.0)


def _came_at_once(done: FloatArray) -> bool:
    """Whether a change came at once; `done` is how much of it is, block by block, from about when it began."""
    waiting = np.flatnonzero(done < 0.25)
    begun = int(waiting[-1]) + 1 if len(waiting) else 0
    return int(np.count_nonzero(done[begun:] < 0.75)) <= _ON_THE_WAY


def _is_large(drift: Drift) -> bool:
    if drift.subject.kind is MetricKind.TYPE:
        low, high = sorted((max(drift.before, 1e-4), max(drift.after, 1e-4)))
        return high >= _TYPE_FACTOR * low
    return abs(drift.after - drift.before) >= _LEAST[drift.subject.kind]

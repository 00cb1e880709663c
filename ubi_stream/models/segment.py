"""Segments and rules: structured conditions of a pack, checked for a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isnan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.features.facts import Facts
from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import NO_ROW, Featurized, Matrix
from ubi_stream.packs.segments import Condition, Segment
from ubi_stream.state.panes import DAY_MS
from ubi_stream.state.stage import Moment

_COMPARE: Final = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": np.not_equal,
}
_MARGIN_SCALE: Final = 4.0
"""A condition met by a quarter of its feature's range counts as certain to about 82 %."""

OUT_OF_REACH: Final = -1.0
"""Distance of a value that is missing or another than the one asked for: that of the whole range."""


class Conditions:
    """A list of conditions that must all hold. A missing feature meets none of them."""

    def __init__(self, conditions: Sequence[Condition], features: Sequence[Feature]) -> None:
        names = [feature.name for feature in features]
        self.items = tuple(conditions)
        self.columns = tuple(names.index(condition.feature) for condition in conditions)
        self._features = tuple(features[column] for column in self.columns)

    def holds(self, values: Matrix) -> NDArray[np.bool_]:
        """For each row, whether all hold."""
        result = np.ones(len(values), dtype=np.bool_)
        for condition, column in zip(self.items, self.columns, strict=True):
            result &= _COMPARE[condition.op](values[:, column], condition.value) & ~np.isnan(values[:, column])
        return result

    def distances(self, row: Matrix) -> list[tuple[int, float]]:
        """Column of each condition, and how far the feature is past its threshold as a share of its range."""
        return [
            (column, _distance(row.item(column), condition, feature))
            for condition, column, feature in zip(self.items, self.columns, self._features, strict=True)
        ]

    def margin(self, row: Matrix) -> float:
        """How far the weakest condition is past its threshold, as a share of its feature's range; negative if unmet."""
        return min((distance for _, distance in self.distances(row)), default=0.0)


def _distance(value: float, condition: Condition, feature: Feature) -> float:
    if isnan(value):
        return OUT_OF_REACH
    if condition.op in ("==", "!="):
        return 1.0 if (value == condition.value) == (condition.op == "==") else OUT_OF_REACH
    low, high, here, there = feature.low, feature.high, value, condition.value
    if feature.scale == "log":
        low, high, there = _logs(low, high, max(there, 0.0))
        here = float(np.log1p(max(here, 0.0)))
    distance = (here - there) / (high - low)
    return distance if condition.op.startswith(">") else -distance


@lru_cache(maxsize=1000)
def _logs(low: float, high: float, threshold: float) -> tuple[float, float, float]:
    """Bounds and threshold by ratio: the same for every row, and a third of the time of a distance."""
    low, high, threshold = np.log1p([low, high, threshold]).tolist()
    return low, high, threshold


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """An entity's segment, at a moment when it is to be told.

    `before` is None where it is the first; `row` is the row it rests on, or None for a silence; `daily` says that
    nothing changed and the segment is told because the day's first visit ended.
    """

    name: str
    before: str | None
    since_ms: int
    row: int | None
    daily: bool


@dataclass(frozen=True, slots=True)
class Assigned:
    """Segments of a batch: of each moment's entity before and after it ("" is none), and what is to be told of them."""

    before: list[str]
    after: list[str]
    changes: dict[int, SegmentChange]


class Segments:
    """Assigns the first segment whose conditions all hold."""

    def __init__(self, segments: Sequence[Segment], features: Sequence[Feature], *, dormant_ms: int) -> None:
        self.by_name = {segment.name: segment for segment in segments}
        self.conditions = {s.name: Conditions(s.when, features) for s in segments if not s.silent}
        self._names = tuple(self.conditions)
        self.silent = next((s.name for s in segments if s.silent), None)
        self.fallback = next((s.name for s in segments if not s.silent and not s.when), None)
        self._dormant_ms = dormant_ms

    def assign(self, batch: Featurized) -> Assigned:
        """Write each entity's segment into its state; changes are by position of the moment.

        The segment is a function of the entity's own events, so it is kept in its state. That it is told is not:
        it is told when it changes at an event (the fallback apart: one event proves nothing yet), when the first visit
        of a day ends, and when a silence makes the entity dormant.
        """
        first = self._first_that_holds(batch.values).tolist()
        assigned = Assigned([], [], {})
        for position, (moment, row) in enumerate(zip(batch.moments, batch.rows, strict=True)):
            state, before = moment.state, moment.state.segment
            change: SegmentChange | None = None
            if moment.ended is not None and before and moment.ended.session.last_ms // DAY_MS > state.segment_day:
                change = SegmentChange(before, before, state.segment_since_ms, None, daily=True)
            # Kept in the state, so only an event may write it, and no later event of the batch before it is read here.
            if moment.day_over > state.segment_day:
                state.segment_day = moment.day_over
            if moment.dormant and self.silent:
                change = SegmentChange(self.silent, before or None, state.segment_since_ms, None, daily=False)
            if row != NO_ROW and self._names:
                change = self._at_event(moment, self._names[first[row]], batch.facts[row], row) or change
            assigned.before.append(before)
            assigned.after.append(state.segment)
            if change is not None:
                assigned.changes[position] = change
        return assigned

    def _at_event(self, moment: Moment, name: str, facts: Facts, row: int) -> SegmentChange | None:
        """Note the segment after an event; a change if it is to be told."""
        state, before = moment.state, moment.state.segment
        since_ms = state.segment_since_ms
        if name != before:
            state.segment, state.segment_since_ms = name, moment.at_ms
        if self.silent and facts.was_silent_ms > self._dormant_ms:
            before = self.silent
        if name == before or name == self.fallback:
            return None
        state.segment_day = max(state.segment_day, moment.at_ms // DAY_MS)
        return SegmentChange(name, before or None, since_ms, row, daily=False)

    def confidence(self, name: str, row: Matrix) -> float:
        """How clear the assignment is: 0.5 at the threshold, towards 1 far from it."""
        return float(1.0 - 0.5 * np.exp(-_MARGIN_SCALE * abs(self.conditions[name].margin(row))))

    def runner_up(self, name: str, row: Matrix) -> str | None:
        """The segment that would be next: of the others, the one whose conditions are closest to being met.

        Distances are shares of each feature's range, so they compare. The segment for everybody else, which has no
        conditions, is next only where no other is within reach: a value that is missing, or is not the one asked for,
        is out of it.
        """
        others = (
            (other, found.margin(row)) for other, found in self.conditions.items() if other != name and found.items
        )
        within_reach = {other: margin for other, margin in others if margin > OUT_OF_REACH}
        if within_reach:
            return max(within_reach, key=lambda other: within_reach[other])
        return self.fallback if self.fallback != name else None

    def _first_that_holds(self, values: Matrix) -> NDArray[np.intp]:
        if not self.conditions:
            return np.zeros(len(values), dtype=np.intp)
        holds = np.stack([conditions.holds(values) for conditions in self.conditions.values()])
        first: NDArray[np.intp] = np.argmax(holds, axis=0)
        return first

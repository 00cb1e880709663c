"""Segments and rules: structured conditions of a pack, checked for a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import Featurized, Matrix
from ubi_stream.packs.schema import Condition, Segment
from ubi_stream.state.panes import DAY_MS

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

    def margin(self, row: Matrix) -> float:
        """How far the weakest condition is from its threshold, as a share of its feature's range; negative if unmet."""
        if not self.items:
            return 0.0
        return min(
            _distance(row[column], condition, feature)
            for condition, column, feature in zip(self.items, self.columns, self._features, strict=True)
        )


def _distance(value: float, condition: Condition, feature: Feature) -> float:
    if np.isnan(value):
        return -1.0
    if condition.op in ("==", "!="):
        return 1.0 if (value == condition.value) == (condition.op == "==") else -1.0
    low, high, here, there = feature.low, feature.high, value, condition.value
    if feature.scale == "log":
        low, high, here, there = np.log1p([low, high, max(here, 0.0), max(there, 0.0)])
    distance = (here - there) / (high - low)
    return float(distance if condition.op.startswith(">") else -distance)


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


class Segments:
    """Assigns the first segment whose conditions all hold."""

    def __init__(self, segments: Sequence[Segment], features: Sequence[Feature], *, dormant_ms: int) -> None:
        self.by_name = {segment.name: segment for segment in segments}
        self.conditions = {s.name: Conditions(s.when, features) for s in segments if not s.silent}
        self._names = tuple(self.conditions)
        self.silent = next((s.name for s in segments if s.silent), None)
        self.fallback = next((s.name for s in segments if not s.silent and not s.when), None)
        self._dormant_ms = dormant_ms

    def assign(self, batch: Featurized) -> dict[int, SegmentChange]:
        """Write each entity's segment into its state; returns what is to be told, by position of the moment.

        The segment is a function of the entity's own events, so it is kept in its state. That it is told is not:
        it is told when it changes at an event (the fallback apart: one event proves nothing yet), when the first visit
        of a day ends, and when a silence makes the entity dormant.
        """
        if not self.conditions:
            return {}
        first = self._first_that_holds(batch.values)
        told: dict[int, SegmentChange] = {}
        for position, (moment, row) in enumerate(zip(batch.moments, batch.rows, strict=True)):
            state, before = moment.state, moment.state.segment
            if moment.ended is not None and moment.ended.first_of_day and before:
                told[position] = SegmentChange(before, before, state.segment_since_ms, None, daily=True)
            if moment.dormant and self.silent:
                told[position] = SegmentChange(self.silent, before or None, state.segment_since_ms, None, daily=False)
            if row < 0:
                continue
            name = self._names[first[row]]
            if self.silent and batch.facts[row].was_silent_ms > self._dormant_ms:
                before = self.silent
            if name != before:
                if name != self.fallback:
                    told[position] = SegmentChange(name, before or None, state.segment_since_ms, row, daily=False)
                    state.segment_day = max(state.segment_day, moment.at_ms // DAY_MS)
                state.segment, state.segment_since_ms = name, moment.at_ms
        return told

    def confidence(self, name: str, row: Matrix) -> float:
        """How clear the assignment is: 0.5 at the threshold, towards 1 far from it."""
        margin = abs(self.conditions[name].margin(row))
        if name == self.fallback:
            others = [c.margin(row) for other, c in self.conditions.items() if other != name]
            margin = abs(max(others, default=0.0))
        return float(1.0 - 0.5 * np.exp(-_MARGIN_SCALE * margin))

    def runner_up(self, name: str, row: Matrix) -> str | None:
        """The segment that would be next: of the others, the one whose conditions are closest to being met."""
        others = [(conditions.margin(row), other) for other, conditions in self.conditions.items() if other != name]
        return max(others)[1] if others else None

    def _first_that_holds(self, values: Matrix) -> NDArray[np.intp]:
        holds = np.stack([conditions.holds(values) for conditions in self.conditions.values()])
        return np.argmax(holds, axis=0)

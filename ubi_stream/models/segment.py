"""Segments and rules: structured conditions of a pack, checked for a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isnan, nextafter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ubi_stream.features.facts import Facts
from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import NO_ROW, Featurized, Matrix
from ubi_stream.packs.segments import Condition, Segment
from ubi_stream.state.panes import DAY_MS
from ubi_stream.state.stage import Moment

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
        self._rulers = tuple(
            _Ruler.of(condition, features[column]) for condition, column in zip(self.items, self.columns, strict=True)
        )

    def distances(self, row: Matrix) -> list[tuple[int, float]]:
        """Column of each condition, and how far the feature is past its threshold as a share of its range."""
        return [
            (column, ruler.distance(row.item(column))) for column, ruler in zip(self.columns, self._rulers, strict=True)
        ]

    def margin(self, row: Matrix) -> float:
        """How far the weakest condition is past its threshold, as a share of its feature's range; negative if unmet."""
        return min((distance for _, distance in self.distances(row)), default=0.0)


class Checks:
    """Several lists of conditions, checked side by side: a few operations, however many conditions there are.

    Each condition is an interval: `> 3` is from the next number after 3 on. A missing value is in none.
    """

    def __init__(self, lists: Sequence[Conditions]) -> None:
        # A list without conditions holds for everybody; an interval that holds nothing takes its place.
        intervals = [_intervals(one) or [(0, inf, -inf, False)] for one in lists]
        columns, lows, highs, unequal = zip(*(part for one in intervals for part in one), strict=True)
        self._columns = np.array(columns, dtype=np.intp)
        self._lows, self._highs = np.array(lows), np.array(highs)
        self._unequal = np.array(unequal) if any(unequal) else None
        self._starts = np.add.accumulate([0, *map(len, intervals[:-1])])
        self._for_all = [place for place, one in enumerate(lists) if not one.items]

    def hold(self, values: Matrix) -> NDArray[np.bool_]:
        """For each row and list, whether all its conditions hold; shape (rows, lists)."""
        here = values.take(self._columns, axis=1)
        within = (here >= self._lows) & (here <= self._highs)
        if self._unequal is not None:
            within = (within ^ self._unequal) & ~np.isnan(here)
        held: NDArray[np.bool_] = np.logical_and.reduceat(within, self._starts, axis=1)
        if self._for_all:
            held[:, self._for_all] = True
        return held


def _intervals(conditions: Conditions) -> list[tuple[int, float, float, bool]]:
    """Column, lowest and highest value of each condition, and whether it asks for what lies outside."""
    return [(column, *_interval(one)) for column, one in zip(conditions.columns, conditions.items, strict=True)]


def _interval(condition: Condition) -> tuple[float, float, bool]:
    value = condition.value
    match condition.op:
        case ">":
            return nextafter(value, inf), inf, False
        case ">=":
            return value, inf, False
        case "<":
            return -inf, nextafter(value, -inf), False
        case "<=":
            return -inf, value, False
        case "==" | "!=":
            return value, value, condition.op == "!="


class _Ruler(NamedTuple):
    """What a distance from a condition's threshold is measured with: the same for every row."""

    threshold: float
    span: float
    is_log: bool
    is_above: bool
    is_equal: bool | None
    """For `==` and `!=`, which of them; they know no distance."""
    value: float

    @classmethod
    def of(cls, condition: Condition, feature: Feature) -> _Ruler:
        low, high, threshold, is_log = feature.low, feature.high, condition.value, feature.scale == "log"
        if is_log:
            low, high, threshold = np.log1p([low, high, max(threshold, 0.0)]).tolist()
        is_equal = condition.op == "==" if condition.op in ("==", "!=") else None
        return cls(threshold, high - low, is_log, condition.op.startswith(">"), is_equal, condition.value)

    def distance(self, value: float) -> float:
        if isnan(value):
            return OUT_OF_REACH
        if self.is_equal is not None:
            return 1.0 if (value == self.value) == self.is_equal else OUT_OF_REACH
        here = float(np.log1p(max(value, 0.0))) if self.is_log else value
        distance = (here - self.threshold) / self.span
        return distance if self.is_above else -distance


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
        self._checks = Checks(tuple(self.conditions.values())) if self.conditions else None
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
        if self._checks is None:
            return np.zeros(len(values), dtype=np.intp)
        first: NDArray[np.intp] = self._checks.hold(values).argmax(axis=1)
        return first

"""Conditions of a pack's segments and rules, checked for a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isnan, nextafter
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import Matrix
from ubi_stream.packs.segments import Condition

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

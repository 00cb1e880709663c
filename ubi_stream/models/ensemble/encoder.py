"""Named values of any kind as a standardised vector: numbers, words and codes, known or new, present or missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ubi_stream.models.arrays import MAX_ABS, FloatArray, clipped

_CODES = 8
"""A number that takes at most so many values is also a code: each of them gets a column."""

_SETTLE = 50
"""Sightings after which a number can be told to be a code."""

_WORDS = 16
"""Values of a word that get a column; the others share having none."""

_RECENT = 10
"""Half-life, in events, of the running mean that a number's distance is measured from."""

_STEP = 1.0 - 0.5 ** (1.0 / _RECENT)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row as the encoder sees it now; good until the encoder learns.

    Attributes
    ----------
    deviations
        Shape (columns,): zero where a value is missing.
    numbers, raw
        Values of the numbers and of all columns; NaN where missing.
    missing
        Whether a number is missing.
    news
        Whether there may be a name or value in it that needs a column.
    """

    deviations: FloatArray
    numbers: FloatArray
    raw: FloatArray
    missing: bool
    news: bool


class FeatureEncoder:
    """Turns named values into deviations from their running mean, in standard deviations.

    A number gets up to three columns: itself, the signed logarithm of it (long tails), and its distance from the recent
    mean (what has changed just now). A number with few values and a word get one more per value. Columns are given out
    in the order in which they are first needed, and never taken back; when none is left, new names and values are
    ignored.

    A missing value (absent, None, NaN, infinite or of another kind) counts as the mean. `encode` changes nothing.

    Parameters
    ----------
    capacity
        Most columns there will be. Memory and time are bounded by it.
    codes, logs, recent
        Whether a number gets columns for its values, its logarithm, its distance from the recent mean.
    limit
        Deviations are clipped to ± this.

    Attributes
    ----------
    n
        Columns in use.
    ignored
        Names that found no column, each time they came, and values that closed a name to further ones.

    Examples
    --------
    >>> encoder = FeatureEncoder()
    >>> for size in (1.0, 2.0, 3.0):
    ...     row = {"size": size, "shop": "north"}
    ...     encoder.learn(row, encoder.encode(row))
    >>> encoder.encode({"size": 2.0, "shop": "north"}).deviations.round(2).tolist()
    [0.0, 0.14, -0.22, 0.0]
    >>> encoder.encode({"size": None, "shop": "north"}).deviations.tolist()
    [0.0, 0.0, 0.0, 0.0]
    """

    def __init__(
        self, capacity: int = 96, *, codes: bool = True, logs: bool = True, recent: bool = True, limit: float = 5.0
    ) -> None:
        self.capacity = capacity
        self.codes = codes
        self.logs = logs
        self.recent = recent
        self.limit = limit
        self.n = 0
        self.ignored = 0
        self._names: list[str] = []  # of the numbers
        self._columns = np.zeros(0, dtype=np.intp)  # of the numbers; the derived ones follow each
        self._recent = np.zeros(0)
        self._words: dict[str, dict[Any, int]] = {}  # name -> value -> column
        self._open: set[str] = set()  # names whose further values get columns too
        self._known: set[str] = set()  # names with columns
        self._unsettled: dict[str, tuple[int, set[float]]] = {}  # sightings and distinct values so far
        self._counts = np.zeros(0)
        self._means = np.zeros(0)
        self._variances = np.zeros(0)
        self._scales = np.zeros(0)
        self._blank = np.zeros(0)  # NaN for a number's columns, 0 for a value's

    @property
    def number_columns(self) -> NDArray[np.intp]:
        """Columns that hold the numbers themselves."""
        return self._columns

    def encode(self, x: Mapping[str, Any]) -> Encoded:
        """Return the row as deviations, and what `learn` needs of it."""
        numbers, missing = self._numbers(x)
        raw, news = self._raw(x, numbers)
        deviations = clipped((raw - self._means) * self._scales, self.limit)
        if missing:
            deviations = np.where(np.isnan(raw), 0.0, deviations)
        news = news or bool(self._unsettled) or not x.keys() <= self._known
        return Encoded(deviations, numbers, raw, missing, news)

    def learn(self, x: Mapping[str, Any], encoded: Encoded) -> None:
        """Take in a row just encoded: new names get columns, running means and deviations move."""
        numbers, raw, missing = encoded.numbers, encoded.raw, encoded.missing
        if encoded.news:
            self._allot_new(x)
            numbers, missing = self._numbers(x)
            raw, _ = self._raw(x, numbers)
        if missing:  # counts as the mean: no moment moves
            present = ~np.isnan(raw)
            self._learn_moments(np.where(present, raw, self._means), present)
            numbers = np.where(np.isnan(numbers), self._recent, numbers)
        else:
            self._learn_moments(raw, 1.0)
        self._recent += _STEP * (numbers - self._recent)

    def _numbers(self, x: Mapping[str, Any]) -> tuple[FloatArray, bool]:
        """Return the values of the known numbers, NaN where missing; and whether one is missing."""
        values = [value if type(value) is float else number_of(value) for value in map(x.get, self._names)]
        numbers = np.array(values, dtype=np.float64)
        if float(np.abs(numbers).max(initial=0.0)) <= MAX_ABS:  # the common case; false for NaN
            return numbers, False
        numbers[~np.isfinite(numbers)] = math.nan
        return clipped(numbers, MAX_ABS), bool(np.isnan(numbers).any())

    def _raw(self, x: Mapping[str, Any], numbers: FloatArray) -> tuple[FloatArray, bool]:
        """Return the values of all columns before standardising, and whether one value has no column yet."""
        raw = self._blank.copy()
        raw[self._columns] = numbers
        if self.logs:
            raw[self._columns + 1] = np.copysign(np.log1p(np.abs(numbers)), numbers)
        if self.recent:
            raw[self._columns + 1 + self.logs] = numbers - self._recent
        news = False
        for name, columns in self._words.items():
            value = x.get(name)
            if isinstance(value, (str, int, float)):
                column = columns.get(value)
                if column is not None:
                    raw[column] = 1.0
                else:
                    news = news or name in self._open
        return raw, news

    def _allot_new(self, x: Mapping[str, Any]) -> None:
        """Give columns to names and values not seen before, in the order of the names: that of `x` has no meaning."""
        for name in sorted(x.keys() - self._known, key=str):
            self._allot_name(name, x[name])
        for name in sorted(self._open):
            value = x.get(name)
            if isinstance(value, str) or (name in self._names and math.isfinite(number_of(value))):
                self._allot_value(name, value)
        for name in sorted(self._unsettled):
            if math.isfinite(number := number_of(x.get(name))):
                self._settle(name, number)

    def _allot_name(self, name: str, value: object) -> None:
        is_word = isinstance(value, str)
        width = 1 if is_word else 1 + self.logs + self.recent
        number = number_of(value)
        if not is_word and not math.isfinite(number):
            return  # missing so far: what it is will show
        if self.n + width > self.capacity:
            self.ignored += 1
            return
        self._known.add(name)
        if is_word:
            self._words[name] = {}
            self._open.add(name)
            return
        self._names.append(name)
        self._columns = np.append(self._columns, self._allot(width, math.nan))
        self._recent = np.append(self._recent, number)
        if self.codes:
            self._unsettled[name] = (0, set())

    def _allot_value(self, name: str, value: Any) -> None:
        columns = self._words[name]
        if value in columns:
            return
        if len(columns) >= (_CODES if name in self._names else _WORDS) or self.n >= self.capacity:
            self.ignored += 1
            self._open.discard(name)
            return
        columns[value] = self._allot(1, 0.0)

    def _settle(self, name: str, number: float) -> None:
        """Find out whether a number is a code: two values are told apart by the number alone, many are none."""
        sightings, values = self._unsettled[name]
        values.add(number)
        self._unsettled[name] = (sightings + 1, values)
        if len(values) > _CODES:
            del self._unsettled[name]
        elif sightings + 1 >= _SETTLE:
            del self._unsettled[name]
            if len(values) > 2:
                self._words[name] = {}
                self._open.add(name)
                for value in sorted(values):
                    self._allot_value(name, value)

    def _allot(self, columns: int, blank: float) -> int:
        first, self.n = self.n, self.n + columns
        for name in ("_counts", "_means", "_variances", "_scales"):
            setattr(self, name, np.concatenate((getattr(self, name), np.zeros(columns))))
        self._blank = np.concatenate((self._blank, np.full(columns, blank)))
        return first

    def _learn_moments(self, raw: FloatArray, present: NDArray[np.bool_] | float) -> None:
        self._counts += present
        share = present / np.maximum(self._counts, 1.0)
        deviation = raw - self._means
        self._means += deviation * share
        self._variances += (deviation * deviation * (1.0 - share) - self._variances) * share
        np.divide(1.0, np.sqrt(self._variances), out=self._scales, where=self._variances > 0.0)


def number_of(value: Any) -> float:
    """Return a number as a float; NaN for everything else.

    >>> number_of(True), number_of("2"), number_of([1])
    (1.0, nan, nan)
    """
    if value is None or isinstance(value, str):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan

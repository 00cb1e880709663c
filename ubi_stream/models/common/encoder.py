"""Named values of any kind as a standardised vector: numbers, words and codes, known or new, present or missing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import MAX_ABS, FloatArray, clipped

_CODES = 8
"""A number that takes at most so many values is also a code: each of them gets a column."""

_SETTLE = 50
"""Sightings after which a number can be told to be a code."""

_WORDS = 16
"""Values of a word that get a column; the others share having none."""

_RECENT = 10
"""Half-life, in events, of the running mean that a number's distance is measured from."""

_STEP = 1.0 - 0.5 ** (1.0 / _RECENT)

_BODY = 3.0
"""Standard deviations: what lies further out gets a weight of its own, so that an outlier doesn't bend the rest."""

_MOST = 1_024
"""Columns before they share buckets: memory is bounded, whatever names come."""


@dataclass(slots=True)
class _Derived:
    """Columns that are made of numbers: by position, which number, and which column."""

    numbers: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    columns: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, dtype=np.intp))

    def add(self, number: int, column: int) -> None:
        self.numbers, self.columns = np.append(self.numbers, number), np.append(self.columns, column)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row as the encoder sees it now; good until the encoder learns.

    Attributes
    ----------
    deviations
        Shape (width,): zero where a value is missing.
    raw
        Values of all columns, shape (n,); NaN where missing.
    numbers
        Values of the numbers; NaN where missing.
    missing
        Whether a number is missing.
    news
        Whether there may be a name or value in it that needs a column.
    """

    deviations: FloatArray
    raw: FloatArray
    numbers: FloatArray
    missing: bool
    news: bool


class FeatureEncoder:
    """Turns named values into deviations from their running mean, in standard deviations.

    A number gets a column, and up to three more where there is room: the signed logarithm of it (long tails), its
    distance from the recent mean (what has changed just now), and how far it lies outside three standard deviations
    (once it has). A number with few values and a word get one more per value. Columns are given out in the order in
    which they are first needed, and never taken back. Numbers come first: what is derived from them is left out where
    it would take their room. Columns beyond the capacity are not lost: they are hashed into a few that they share.

    A missing value (absent, None, NaN, infinite or of another kind) counts as the mean. `encode` changes nothing.

    Parameters
    ----------
    capacity
        Most columns of their own there will be. Time is bounded by its square.
    room
        Columns up to which numbers get derived ones.
    buckets
        Columns that all others share; there are none before the capacity is reached.
    codes, logs, recent, tails
        Whether a number gets columns for its values, its logarithm, its distance from the recent mean, its outliers.
    limit
        Deviations are clipped to ± this. With tails, a column itself is clipped to three.

    Attributes
    ----------
    n
        Columns in use, before hashing.
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

    References
    ----------
    K. Weinberger et al.: Feature hashing for large scale multitask learning. ICML 2009.
    """

    def __init__(
        self,
        capacity: int = 160,
        *,
        room: int = 96,
        codes: bool = True,
        logs: bool = True,
        recent: bool = True,
        tails: bool = True,
        buckets: int = 32,
        limit: float = 50.0,
    ) -> None:
        self.capacity = capacity
        self.room = min(room, capacity)
        self.codes = codes
        self.logs = logs
        self.recent = recent
        self.tails = tails
        self.buckets = buckets
        self.limit = limit
        self.n = 0
        self.ignored = 0
        self._names: list[str] = []  # of the numbers
        self._columns = np.zeros(0, dtype=np.intp)  # of the numbers
        self._derived: dict[str, _Derived] = {kind: _Derived() for kind in ("log", "recent", "tail")}
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
        self._shared = np.zeros(0, dtype=np.intp)  # of each column beyond the capacity
        self._signs = np.zeros(0)

    @property
    def number_columns(self) -> NDArray[np.intp]:
        """Columns that hold the numbers themselves, of those that share none."""
        return self._columns if self.n <= self.capacity else self._columns[self._columns < self.capacity]

    @property
    def width(self) -> int:
        """Columns after hashing: at most the capacity and the buckets."""
        return self.n if self.n <= self.capacity else self.capacity + self.buckets

    def encode(self, x: Mapping[str, Any]) -> Encoded:
        """Return the row as deviations, and what `learn` needs of it."""
        numbers, missing = self._numbers(x)
        raw, news = self._raw(x, numbers)
        deviations = clipped((raw - self._means) * self._scales, self.limit)
        if missing:
            deviations = np.where(np.isnan(raw), 0.0, deviations)
        news = news or bool(self._unsettled) or not x.keys() <= self._known
        if self.tails:
            body, tail = clipped(deviations, _BODY), self._derived["tail"]
            outside = (deviations - body)[self._columns]
            news = news or self._needs_tail(outside)
            deviations = body
            deviations[tail.columns] = outside[tail.numbers]
        return Encoded(self.hashed(deviations), raw, numbers, missing, news)

    def hashed(self, deviations: FloatArray) -> FloatArray:
        """Return values of all columns, shape (n,), with those beyond the capacity in buckets, shape (width,)."""
        if self.n <= self.capacity:
            return deviations
        own, beyond = deviations[: self.capacity], deviations[self.capacity :] * self._signs
        return np.concatenate((own, np.bincount(self._shared, weights=beyond, minlength=self.buckets)))

    def learn(self, x: Mapping[str, Any], encoded: Encoded) -> None:
        """Take in a row just encoded: new names get columns, running means and deviations move."""
        numbers, raw, missing = encoded.numbers, encoded.raw, encoded.missing
        if encoded.news:
            if self.tails:
                self._allot_tails(raw)
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
        log, recent = self._derived["log"], self._derived["recent"]
        if len(log.columns):
            kept = numbers[log.numbers]
            raw[log.columns] = np.copysign(np.log1p(np.abs(kept)), kept)
        if len(recent.columns):
            raw[recent.columns] = (numbers - self._recent)[recent.numbers]
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
        first = len(self._names)
        for name in sorted(x.keys() - self._known, key=str):
            self._allot_name(name, x[name])
        self._allot_derived(range(first, len(self._names)))
        for name in sorted(self._open):
            value = x.get(name)
            if isinstance(value, str) or (name in self._names and math.isfinite(number_of(value))):
                self._allot_value(name, value)
        for name in sorted(self._unsettled):
            if math.isfinite(number := number_of(x.get(name))):
                self._settle(name, number)

    def _allot_name(self, name: str, value: object) -> None:
        is_word = isinstance(value, str)
        number = number_of(value)
        if not is_word and not math.isfinite(number):
            return  # missing so far: what it is will show
        if self.n >= _MOST:
            self.ignored += 1
            return
        self._known.add(name)
        if is_word:
            self._words[name] = {}
            self._open.add(name)
            return
        self._names.append(name)
        self._columns = np.append(self._columns, self._allot(math.nan))
        self._recent = np.append(self._recent, number)
        if self.codes:
            self._unsettled[name] = (0, set())

    def _allot_derived(self, new: range) -> None:
        """Give new numbers the columns that are made of them, if there is room for those of all."""
        kinds = [kind for kind, wanted in (("log", self.logs), ("recent", self.recent)) if wanted]
        if self.n + len(kinds) * len(new) > self.room:
            return
        for number in new:
            for kind in kinds:
                self._derived[kind].add(number, self._allot(math.nan))

    def _needs_tail(self, outside: FloatArray) -> bool:
        """Whether a number lies outside of its body that has no column for that."""
        tail = self._derived["tail"]
        return len(tail.columns) < len(outside) and self.n < self.room and bool(np.any(outside))

    def _allot_tails(self, raw: FloatArray) -> None:
        """Give a column to each number that lies outside of its body, and its logarithm one, too."""
        log, tail = self._derived["log"], self._derived["tail"]
        columns = self._columns
        outside = np.abs((raw[columns] - self._means[columns]) * self._scales[columns]) > _BODY  # false for NaN
        outside &= self._counts[columns] >= _SETTLE
        outside[tail.numbers] = False
        for number in np.flatnonzero(outside).tolist():
            if self.n < self.room:
                tail.add(number, self._allot(0.0))
            if self.logs and number not in log.numbers and self.n < self.room:
                log.add(number, self._allot(math.nan))

    def _allot_value(self, name: str, value: Any) -> None:
        columns = self._words[name]
        if value in columns:
            return
        if len(columns) >= (_CODES if name in self._names else _WORDS) or self.n >= _MOST:
            self.ignored += 1
            self._open.discard(name)
            return
        columns[value] = self._allot(0.0)

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

    def _allot(self, blank: float) -> int:
        column, self.n = self.n, self.n + 1
        for name in ("_counts", "_means", "_variances", "_scales"):
            setattr(self, name, np.append(getattr(self, name), 0.0))
        self._blank = np.append(self._blank, blank)
        if column >= self.capacity:
            mixed = crc32(str(column).encode())
            self._shared = np.append(self._shared, mixed % self.buckets)
            self._signs = np.append(self._signs, 1.0 if mixed & 1 << 16 else -1.0)
        return column

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

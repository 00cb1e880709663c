"""Labelled series: how many of the windows were found, and at how many false alarms?"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ubi_stream.data.readers import open_rows
from ubi_stream.errors import ConfigError
from ubi_stream.evaluate.progressive import Example
from ubi_stream.mappings.specs import FileSpec

PROBATION_SHARE = 0.15
PROBATION_MAX = 750
"""Points at the start of a series in which nothing is alarmed or judged, as the Numenta benchmark has it."""

ALARM_SHARE = 0.002
"""Share of points that a question may put forward; cool-down makes fewer alarms of them."""

COOL_DOWN_S = 86_400.0
"""After an alarm there is none for a day: the series have a daily rhythm."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series and its labelled windows.

    Attributes
    ----------
    times_s, values
        Of each point, in order.
    windows
        First and last second of each.
    """

    name: str
    times_s: tuple[float, ...]
    values: tuple[float, ...]
    windows: tuple[tuple[float, float], ...]

    @property
    def probation(self) -> int:
        """Points before the first alarm."""
        return min(int(PROBATION_SHARE * len(self.values)), PROBATION_MAX)

    def examples(self) -> list[Example]:
        """Return the points as examples; True within a window."""
        return [
            Example({"time": at_s, "value": value}, y=self.within(at_s), at_s=at_s, label_at_s=at_s)
            for at_s, value in zip(self.times_s, self.values, strict=True)
        ]

    def within(self, at_s: float) -> bool:
        """Whether a time lies in a window."""
        return any(start <= at_s <= end for start, end in self.windows)


@dataclass(frozen=True, slots=True)
class Found:
    """What alarms came to.

    Attributes
    ----------
    found, windows
        Labelled windows with an alarm in them, and all.
    false_alarms, points
        Alarms outside every window, and points of the series.
    """

    found: int
    windows: int
    false_alarms: int
    points: int

    @property
    def per_thousand(self) -> float:
        """False alarms per 1,000 points."""
        return 1_000.0 * self.false_alarms / self.points

    def __add__(self, other: Found) -> Found:
        return Found(
            self.found + other.found,
            self.windows + other.windows,
            self.false_alarms + other.false_alarms,
            self.points + other.points,
        )


def read_series(folder: Path) -> list[Series]:
    """Read series in the form of the Numenta benchmark: CSV files of ``timestamp,value``, `anomaly_windows.json`.

    Raises
    ------
    ConfigError
        A file is missing or can't be read.
    """
    windows_file = folder / "anomaly_windows.json"
    try:
        windows = msgspec.json.decode(windows_file.read_bytes(), type=dict[str, list[tuple[str, str]]])
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"the windows of the series, {windows_file}, can't be read: {error}") from error
    return [_read_one(folder / name, spans) for name, spans in sorted(windows.items())]


def alarms(series: Series, scores: Sequence[float]) -> list[int]:
    """Return the positions of the alarms: scores above the share asked for, then none for the cool-down."""
    found: list[int] = []
    for position in range(series.probation, len(scores)):
        cool = not found or series.times_s[position] - series.times_s[found[-1]] >= COOL_DOWN_S
        if cool and scores[position] >= 1.0 - ALARM_SHARE:
            found.append(position)
    return found


def judge(series: Series, positions: Sequence[int]) -> Found:
    """Count windows found and false alarms."""
    times_s = sorted(series.times_s[position] for position in positions)
    found = sum(bisect_right(times_s, end) > bisect_right(times_s, start - 0.5) for start, end in series.windows)
    false = sum(not series.within(at_s) for at_s in times_s)
    return Found(found, len(series.windows), false, len(series.values))


def chance(series: Series, n_alarms: int, *, rounds: int = 200, seed: int = 1) -> float:
    """Return how many windows as many alarms at random places find on average: the figure to be better than."""
    rng = random.Random(seed)
    places = range(series.probation, len(series.values))
    drawn = (rng.sample(places, min(n_alarms, len(places))) for _ in range(rounds))
    return sum(judge(series, positions).found for positions in drawn) / rounds


def _read_one(path: Path, windows: Sequence[tuple[str, str]]) -> Series:
    times_s: list[float] = []
    values: list[float] = []
    with open_rows(path, FileSpec(), {"timestamp": "time", "value": "value"}) as reader:
        for row in reader:
            if row.values is None:
                continue
            times_s.append(_seconds(row.values["timestamp"], path))
            values.append(float(row.values["value"]))
    spans = tuple((_seconds(start, path), _seconds(end, path)) for start, end in windows)
    return Series(path.stem, tuple(times_s), tuple(values), spans)


def _seconds(text: str, path: Path) -> float:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise ConfigError(f"file {path} has time {text!r}: expected one such as 2014-07-01 00:30:00") from error

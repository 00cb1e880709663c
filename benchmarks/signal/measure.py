"""One run of the benchmark: make a stream, run the product on it, judge what it reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.signal.figures import Figures, figures_of
from benchmarks.signal.incidents import INCIDENTS, Incident
from benchmarks.signal.judge import Row, alerted_days, is_expected, judge_incidents, judge_users
from benchmarks.signal.public import FILES, demo_stream, pack_of, public_stream
from benchmarks.signal.run import Found, run
from benchmarks.signal.shop import DAY_MS
from benchmarks.signal.streams import (
    Stream,
    changed_habits,
    day_of,
    days_apart,
    equal_weeks,
    everything,
    incident,
    individuals,
    nothing,
)
from ubi_stream.clock import SystemClock
from ubi_stream.insights.claims import titles_of
from ubi_stream.packs.loader import load_pack
from ubi_stream.settings import Settings


def _public(name: str, seed: int, events: int) -> Stream:
    """A public file: it is the same for every seed."""
    return public_stream(name, DATA, events)


DATA: Final = Path("../shared/data")
"""Where the public files are: beside the checkout."""
READ: Final = 40
"""Insights of a public file that a person reads."""
STREAMS: Final[dict[str, Callable[..., Stream]]] = {
    "nothing": nothing,
    "individuals": individuals,
    **{kind: partial(incident, kind) for kind in INCIDENTS},
    "days_apart": days_apart,
    "equal_weeks": equal_weeks,
    "changed_habits": changed_habits,
    "everything": everything,
    "demo": demo_stream,
    **{name: partial(_public, name) for name in FILES},
}


@dataclass(frozen=True, slots=True)
class Task:
    """A stream to make and run: its name, seed, size, and the product's partitions (None: its default)."""

    stream: str
    seed: int
    events: int
    partitions: int | None = None
    days: int | None = None


@dataclass(slots=True)
class Apart:
    """What was reported on days that differ for everybody: a sale, a holiday, a weekend, each a list over streams.

    `about_all` is the number of insights about everybody above info, `alerted` the share of active users alerted,
    `changed` the share with a change of behaviour.
    """

    about_all: list[int] = field(default_factory=list)
    alerted: list[float] = field(default_factory=list)

    def add(self, other: Apart) -> None:
        """Add another's results."""
        self.about_all.extend(other.about_all)
        self.alerted.extend(other.alerted)


@dataclass(slots=True)
class Measured:
    """Results of one task.

    `changed` is the share of active users a day with a change of behaviour of their own, `returns` the number of such
    insights on Mondays and Saturdays; `broke` the number of drifts that say that tracking broke
    while nothing did; `to_read` some
    insights of a public file.
    """

    task: Task
    days: int
    seconds: float
    figures: Figures
    rows: dict[str, Row]
    apart: dict[str, Apart]
    changed: float
    returns: int
    broke: int
    to_read: list[str] = field(default_factory=list)


def measure(task: Task) -> Measured:
    """Run a task."""
    clock = SystemClock()
    make = STREAMS[task.stream]
    stream = make(task.seed, task.events) if task.days is None else make(task.seed, task.events, task.days)
    started_s = clock.monotonic_s()
    pack = pack_of(task.stream) if task.stream in FILES else None
    result = run(stream, partitions=task.partitions, pack=pack)
    found = result.found
    seconds = clock.monotonic_s() - started_s
    titles = titles_of(load_pack(pack or Settings().pack))
    changed, returns = _changes(stream, found)
    return Measured(
        task,
        stream.calendar.days,
        seconds,
        figures_of(stream, found, titles),
        judge_users(stream, found, result.nocturnal) | judge_incidents(stream, found),
        _apart(stream, found),
        changed,
        returns,
        sum(one.insight.label == "tracking_broke" and not is_expected(stream, one) for one in found),
        _to_read(found) if task.stream in FILES else [],
    )


def _to_read(found: Sequence[Found]) -> list[str]:
    """Some insights, half of them of medium or high severity where there are so many, spread over the stream."""
    loud = _spread([one for one in found if one.matters], READ // 2)
    quiet = _spread([one for one in found if not one.matters], READ - len(loud))
    return [
        f"{one.insight.severity.value} {one.insight.kind.value}/{one.insight.label} of {one.insight.user_id}: "
        f"{one.insight.explanation.summary}"
        for one in (*loud, *quiet)
    ]


def _spread(found: Sequence[Found], count: int) -> list[Found]:
    """So many, at equal distances."""
    step = max(1.0, len(found) / max(1, count))
    return [found[int(number * step)] for number in range(min(count, len(found)))]


def _apart(stream: Stream, found: Sequence[Found]) -> dict[str, Apart]:
    result: dict[str, Apart] = {}
    alerted = alerted_days(found)
    for one in stream.incidents:
        if one.kind in INCIDENTS:
            continue
        days = range(one.from_ms // DAY_MS, one.until_ms // DAY_MS)
        active = {user_day for user_day in stream.active if user_day[1] in days}
        apart = Apart([len(_about_all(found, one))], [len(alerted & active) / max(1, len(active))])
        result.setdefault(one.kind, Apart()).add(apart)
    return result


def _about_all(found: Sequence[Found], when: Incident) -> list[Found]:
    return [one for one in found if one.is_about_all and one.level >= 1 and when.from_ms <= one.at_ms < when.until_ms]


def _changes(stream: Stream, found: Sequence[Found]) -> tuple[float, int]:
    changes = [one for one in found if one.insight.kind.value == "behaviour_change" and not one.is_about_all]
    days = {(one.insight.user_id, one.at_ms // DAY_MS) for one in changes}
    returns = sum(stream.calendar.weekday(day_of(stream.calendar, one.at_ms)) in (0, 5) for one in changes)
    return len(days) / max(1, len(stream.active)), returns

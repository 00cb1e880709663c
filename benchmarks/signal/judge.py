"""Compares what the product reports with what was planted."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from benchmarks.signal.incidents import INCIDENTS, Incident
from benchmarks.signal.planted import Planted
from benchmarks.signal.run import Found
from benchmarks.signal.shop import DAY_MS, HOUR_MS, MINUTE_MS
from benchmarks.signal.streams import Stream, minutes_after

_AFTERWARDS_MS: Final = 12 * HOUR_MS
"""An insight about a planted user is about what is planted until so long after it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What makes an insight about a planted user the right one, in time.

    Attributes
    ----------
    reason
        What its label and sentence must speak of.
    level
        Least severity: 0 info, 1 low, 2 medium, 3 high.
    in_time
        Whether a position in the stream is soon enough.
    """

    reason: re.Pattern[str]
    level: int
    in_time: Callable[[Stream, Planted, Found], bool]


def events_until(planted: Planted, found: Found) -> int:
    """Number of the planted events until an insight came, that of the insight included."""
    return bisect_right(planted.positions, found.position)


def _within_events(most: int) -> Callable[[Stream, Planted, Found], bool]:
    return lambda stream, planted, found: events_until(planted, found) <= most


def _within_minutes(most: float) -> Callable[[Stream, Planted, Found], bool]:
    def in_time(stream: Stream, planted: Planted, found: Found) -> bool:
        return minutes_after(stream.arrivals[planted.positions[0]], found.at_ms) <= most

    return in_time


def _by_purchase(most: int) -> Callable[[Stream, Planted, Found], bool]:
    """By the time of so many planted purchases."""

    def in_time(stream: Stream, planted: Planted, found: Found) -> bool:
        purchases = [event.time_ms for event in planted.events if event.event_type == "purchase"]
        return bisect_left(purchases, stream.times[found.position]) < most

    return in_time


def _after_half_an_hour(stream: Stream, planted: Planted, found: Found) -> bool:
    """Within a minute after the visit's first event beyond its half hour."""
    times = [stream.times[position] for position in planted.positions]
    beyond = next((time_ms for time_ms in times if time_ms > times[0] + 30 * MINUTE_MS), times[-1])
    return found.at_ms <= beyond + MINUTE_MS


def _reason(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_SOME_DAYS: Final = 10 * DAY_MS / MINUTE_MS
_PACE: Final = _reason(r"second|minute|pace|pause")
EXPECTED: Final[dict[str, Expected]] = {
    "fast_bot": Expected(_PACE, 3, _within_events(60)),
    "fast_bot_again": Expected(_PACE, 3, _within_events(60)),
    "crawler": Expected(_reason(r"regular|equal|even|steady|same pause|alike"), 2, _within_minutes(10.0)),
    "impulsive": Expected(_reason(r"impuls|cart|pause|pace|hurry"), 2, _within_events(15)),
    "erratic": Expected(_reason(r"spen[dt]|amount|purchase|price|paid|order"), 2, _by_purchase(5)),
    "tired": Expected(_reason(r"tired|fatigue|lasted|long"), 1, _after_half_an_hour),
    "more_visits": Expected(_reason(r"^behaviour_change \w*(?:up|rise|more)"), 0, _within_minutes(_SOME_DAYS)),
    "fewer_visits": Expected(_reason(r"^behaviour_change \w*(?:down|fall|less|fewer)"), 0, _within_minutes(_SOME_DAYS)),
    "takeover": Expected(
        _reason(r"takeover|taken over|amount|categor|spen[dt]|unusual (?:hour|time)"), 2, _within_events(3)
    ),
}
INCIDENT_REASON: Final = {
    "slow_checkout": _reason(r"checkout|wait|latency|slow"),
    "purchases_lost": _reason(r"tracking_broke"),
    "property_lost": _reason(r"tracking_broke"),
    "doubled_type": _reason(r"tracking_broke"),
}
INCIDENT_MINUTES: Final = {"slow_checkout": 10.0, "purchases_lost": 30.0, "property_lost": 30.0, "doubled_type": 30.0}
_NIGHT: Final = _reason(r"night|00:00|midnight")


@dataclass(slots=True)
class Row:
    """Results for one kind of planted thing, over all streams.

    Attributes
    ----------
    planted, found, late
        How many there were; how many were found for the right reason, loud enough and in time; how many too late or
        not loud enough.
    events, minutes
        Planted events and minutes until each was found.
    levels
        How loud the first insight for the right reason was.
    sentences
        What the first insights say.
    misses
        Which were not found: seed and user, or seed and what.
    """

    planted: int = 0
    found: int = 0
    late: int = 0
    events: list[float] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)
    levels: Counter[str] = field(default_factory=Counter)
    sentences: list[str] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)
    insights: int = 0
    held_back: int = 0

    @property
    def share(self) -> float:
        """Share found."""
        return self.found / self.planted if self.planted else 1.0

    def middle(self, values: Sequence[float]) -> float | None:
        """Median of events or minutes."""
        return median(values) if values else None

    def add(self, other: Row) -> None:
        """Add another's results."""
        for name in ("planted", "found", "late", "insights", "held_back"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("events", "minutes", "sentences", "misses"):
            getattr(self, name).extend(getattr(other, name))
        self.levels.update(other.levels)


def judge_users(stream: Stream, found: Sequence[Found], nocturnal: Mapping[str, int]) -> dict[str, Row]:
    """A row for each kind of planted user; `nocturnal` is since when the risk level says so of whom."""
    by_user: dict[str, list[Found]] = {}
    for one in found:
        if not one.is_about_all:
            by_user.setdefault(one.insight.user_id, []).append(one)
    rows: dict[str, Row] = {}
    for planted in stream.planted:
        row = rows.setdefault(planted.kind, Row())
        about = [one for one in by_user.get(planted.user_id, []) if is_about(stream, planted, one)]
        if planted.kind == "night_unknown":
            _judge_silence(row, stream, planted, about, nocturnal)
        elif planted.kind == "night":
            _judge_night(row, stream, planted, about, nocturnal)
        else:
            _judge_user(row, stream, planted, about)
    return rows


def is_about(stream: Stream, planted: Planted, found: Found) -> bool:
    """Whether an insight about the user came while it did what is planted, or soon afterwards."""
    until_ms = stream.arrivals[planted.positions[-1]] + _AFTERWARDS_MS
    return planted.positions[0] <= found.position and found.at_ms <= until_ms


def _judge_user(row: Row, stream: Stream, planted: Planted, about: list[Found]) -> None:
    expected = EXPECTED[planted.kind]
    row.planted += 1
    row.insights += len(about)
    right = [one for one in about if expected.reason.search(one.text) and one.level >= min(1, expected.level)]
    loud = [one for one in right if one.level >= expected.level]
    first = loud[0] if loud else right[0] if right else None
    if first is None:
        row.misses.append(f"{stream.name} {stream.seed}: {planted.user_id}")
        return
    row.levels[first.insight.severity.value] += 1
    row.sentences.append(first.insight.explanation.summary)
    row.events.append(events_until(planted, first))
    row.minutes.append(minutes_after(stream.arrivals[planted.positions[0]], first.at_ms))
    if loud and expected.in_time(stream, planted, first):
        row.found += 1
    else:
        row.late += 1
        how = f"{first.insight.severity.value}, {row.events[-1]:g} events"
        row.misses.append(f"{stream.name} {stream.seed}: {planted.user_id} ({how})")


def _judge_night(row: Row, stream: Stream, planted: Planted, about: list[Found], nocturnal: Mapping[str, int]) -> None:
    """The risk level says so from the first event on; it is an insight only where that is rare, or new for the user."""
    row.planted += 1
    reported = [one for one in about if _NIGHT.search(one.text)]
    row.insights += len(reported)
    row.sentences.extend(one.insight.explanation.summary for one in reported[:1])
    row.levels.update(one.insight.severity.value for one in reported[:1])
    since_ms = nocturnal.get(planted.user_id)
    first_ms = min(stream.times[position] for position in planted.positions)
    if since_ms is not None and since_ms <= first_ms:
        row.found += 1
        row.events.append(1)
        row.minutes.append(0.0)
    else:
        row.misses.append(f"{stream.name} {stream.seed}: {planted.user_id}")


def _judge_silence(
    row: Row, stream: Stream, planted: Planted, about: list[Found], nocturnal: Mapping[str, int]
) -> None:
    """Where nobody knows the clock, nothing may be said of the night: no insight, and no risk."""
    row.planted += 1
    wrong = [one for one in about if _NIGHT.search(one.text)]
    row.found += not wrong and planted.user_id not in nocturnal
    row.sentences.extend(one.insight.explanation.summary for one in wrong[:1])
    row.misses.extend(f"{stream.name} {stream.seed}: {planted.user_id}" for _ in wrong[:1])


def judge_incidents(stream: Stream, found: Sequence[Found]) -> dict[str, Row]:
    """A row for each kind of incident: one insight about everybody, in time; the users' own are held back."""
    rows: dict[str, Row] = {}
    for incident in stream.incidents:
        if incident.kind in INCIDENTS:
            _judge_incident(rows.setdefault(incident.kind, Row()), stream, incident, found)
    return rows


def _judge_incident(row: Row, stream: Stream, incident: Incident, found: Sequence[Found]) -> None:
    reason = INCIDENT_REASON[incident.kind]
    during = [one for one in found if incident.from_ms <= one.at_ms < incident.until_ms + HOUR_MS]
    right = [one for one in during if one.is_about_all and one.level >= 2 and reason.search(one.text)]
    row.planted += 1
    row.insights += len(right)
    if not right:
        row.misses.append(f"{stream.name} {stream.seed}: {incident.what or incident.kind}")
        return
    first = right[0]
    row.levels[first.insight.severity.value] += 1
    row.sentences.append(first.insight.explanation.summary)
    row.minutes.append(minutes_after(incident.from_ms, first.at_ms))
    row.events.append(first.position + 1 - bisect_left(stream.arrivals, incident.from_ms))
    own = [one for one in during if not one.is_about_all and one.level >= 1 and one.position > first.position]
    row.held_back += sum(bool(reason.search(one.text)) and one.at_ms < incident.until_ms for one in own)
    if row.minutes[-1] <= INCIDENT_MINUTES[incident.kind] and len(right) == 1:
        row.found += 1
    else:
        row.late += 1
        row.misses.append(
            f"{stream.name} {stream.seed}: {incident.what or incident.kind} "
            f"({row.minutes[-1]:.0f} min, {len(right)} insights)"
        )


def is_expected(stream: Stream, one: Found) -> bool:
    """Whether an insight came while an incident lasted that it could be about, or within an hour after it."""
    return any(
        incident.from_ms <= one.at_ms < incident.until_ms + HOUR_MS and INCIDENT_REASON[incident.kind].search(one.text)
        for incident in stream.incidents
        if incident.kind in INCIDENTS
    )


def concerns_planted(stream: Stream, one: Found, planted: dict[str, list[Planted]]) -> bool:
    """Whether an insight concerns something that was planted: its user, or an incident while it lasts."""
    about = planted.get(one.insight.user_id, [])
    return any(is_about(stream, what, one) for what in about) or is_expected(stream, one)


def by_user(stream: Stream) -> dict[str, list[Planted]]:
    """What is planted, by user; the silent ones of the night are nothing to find."""
    planted: dict[str, list[Planted]] = {}
    for one in stream.planted:
        if one.kind != "night_unknown":
            planted.setdefault(one.user_id, []).append(one)
    return planted


def alerted_days(found: Iterable[Found]) -> set[tuple[str, int]]:
    """(user, UTC day) with an insight of medium or high severity."""
    return {(one.insight.user_id, one.at_ms // DAY_MS) for one in found if one.matters and not one.is_about_all}

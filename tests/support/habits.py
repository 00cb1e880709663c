"""Users with habits, for weeks: events by day, and a pack that remembers long enough."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from support.probe import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, event, probe_pack
from ubi_stream.packs.schema import Pack

FIRST_DAY = START_MS // DAY_MS
"""Day 0 of the tests, in days since 1970: a Wednesday."""


def habit_pack(*replacements: tuple[str, str]) -> Pack:
    """The probe's pack, with a memory of weeks and the shipped limits for changes."""
    return probe_pack(
        ("dormant_after_days = 0.25", "dormant_after_days = 20"),
        ("retention_days = 1\n", "retention_days = 60\n"),
        (
            "info_z = 1.0\nz = 2.0\nmin_visits = 4\ncool_down_min = 60",
            "info_z = 2.0\nz = 4.0\nmin_visits = 8\ncool_down_min = 40320",
        ),
        *replacements,
    )


def visits_on(day: int, user: str, visits: int, *, events: int = 3, **fields: Any) -> Iterator[dict[str, Any]]:
    """Visits of so many events on a day, an hour apart, from 8 o'clock on."""
    for visit in range(visits):
        start_ms = START_MS + day * DAY_MS + (8 + visit) * HOUR_MS
        for step in range(events):
            yield event(user, start_ms + step * MINUTE_MS, **fields)


def days_of(user: str, visits: Sequence[int], *, first: int = 0, **fields: Any) -> Iterator[dict[str, Any]]:
    """A user's days, one after another, each with so many visits."""
    for day, count in enumerate(visits, start=first):
        yield from visits_on(day, user, count, **fields)


def in_order(*streams: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Events of several users by time."""
    return sorted((one for stream in streams for one in stream), key=lambda one: (one["event_time"], one["user_id"]))

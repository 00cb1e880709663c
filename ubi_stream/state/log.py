"""An exact log of an entity's events, for entities that have few of them: windows to the millisecond.

The log is ordered by event time, so that the order in which events come does not matter.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from operator import attrgetter
from typing import Final, NamedTuple

from ubi_stream.state.model import Logged, UserState
from ubi_stream.state.panes import DAY_MS, MICRO

LONGEST_WINDOW_MS: Final = 30 * DAY_MS
SLACK_MS: Final = 3 * DAY_MS
"""How far behind the newest an event may come and still find its whole window: forwarded events of several partitions
come out of order."""

_time = attrgetter("time_ms")


class LogWindow(NamedTuple):
    """What lies in a window: number of events, money, and how many of them a label called bad."""

    events: int
    amount: float
    bad: int


def log_event(state: UserState, entry: Logged, *, delay_ms: int, max_events: int) -> bool:
    """Take an event into the log; False where it is older than anything that a window could still need."""
    newest = max(state.last_ms, entry.time_ms)
    oldest = newest - LONGEST_WINDOW_MS - SLACK_MS - delay_ms
    if entry.time_ms <= oldest:
        return False
    log = state.log
    insort(log, entry, key=_time)
    expired = bisect_right(log, oldest, key=_time)
    overflow = max(0, len(log) - expired - max_events)
    state.log_dropped += overflow
    del log[: expired + overflow]
    return True


def log_label(state: UserState, reference: int, *, bad: bool) -> bool:
    """Note what became of a logged event; False where it is not in the log (any more).

    The last label of an event stands, if there are several.
    """
    for entry in reversed(state.log):
        if entry.reference == reference:
            entry.outcome = bad
            return True
    return False


def window(state: UserState, end_ms: int, width_ms: int) -> LogWindow:
    """Events with `end_ms - width_ms < time <= end_ms`."""
    log = state.log
    last = bisect_right(log, end_ms, key=_time)
    first = bisect_right(log, end_ms - width_ms, key=_time)
    entries = log[first:last]
    micros = sum(entry.amount_micros for entry in entries)
    bad = sum(entry.outcome is True for entry in entries)
    return LogWindow(len(entries), micros / MICRO, bad)

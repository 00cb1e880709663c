"""Sliding counts over the newest ticks (seconds, hours): a few bytes for each tick that has something to count.

A tick is kept modulo the length of the window, so its key is small. What is counted is added, so the order of events
does not matter while their ticks are in the window.
"""

from __future__ import annotations

Ticks = dict[int, int]
"""Counts by tick modulo the window's length."""


def advance(ticks: Ticks, head: int, tick: int, length: int) -> None:
    """Drop what is too old once `tick` is the newest; `head` was the newest before, `length` is in ticks."""
    ahead = tick - head
    if ahead <= 0 or not ticks:
        return
    if ahead >= length:
        ticks.clear()
        return
    for key in [key for key in ticks if (head - key) % length + ahead >= length]:
        del ticks[key]


def add_tick(ticks: Ticks, head: int, tick: int, length: int, amount: int = 1) -> None:
    """Add to a tick. `head` is the newest tick now; a tick that is no longer in the window is left out."""
    if head - tick < length:
        key = tick % length
        ticks[key] = ticks.get(key, 0) + amount


def sum_of_last(ticks: Ticks, head: int, length: int, last: int) -> int:
    """Sum over the newest `last` ticks, the current one included.

    >>> ticks: Ticks = {}
    >>> add_tick(ticks, 100, 100, 60), add_tick(ticks, 100, 95, 60, 2)
    (None, None)
    >>> sum_of_last(ticks, 100, 60, 5), sum_of_last(ticks, 100, 60, 6)
    (1, 3)
    """
    if last >= length:
        return sum(ticks.values())
    return sum(amount for key, amount in ticks.items() if (head - key) % length < last)


def used_of_last(ticks: Ticks, head: int, length: int, last: int) -> int:
    """How many of the newest `last` ticks have something to count."""
    return sum((head - key) % length < last for key in ticks)

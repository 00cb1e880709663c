"""Tumbling panes in a ring: counts and amounts per event type over the last hour, day and month.

A pane is a list of integers `[amount in micro-units, count of type 0, count of type 1, …]`. Integers make adding exact
and commutative, so the order of events does not change a window. New event types are appended, so old panes are short.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
MICRO: Final = 1_000_000
"""Amounts are kept as whole millionths: exact for every currency's minor unit."""

MAX_MICROS: Final = 2**62
"""No sum of money goes beyond it: the codec knows 64 bits. Only mistakes get near: it is 4.6 million millions."""

Pane = list[int]

NO_EVENTS: Final[Pane] = []
"""A pane that is not stored. Never written to."""


class PaneRing(msgspec.Struct, array_like=True, gc=False):
    """The newest `length` panes of one width. Only panes with events are stored.

    Attributes
    ----------
    head
        Number of the newest pane (event time divided by the width), -1 before the first event.
    panes
        Pane by number, at most `length`.
    total
        Sum of all kept panes.
    """

    head: int = -1
    panes: dict[int, Pane] = {}
    total: Pane = []

    def add(self, pane: int, length: int, type_index: int, amount_micros: int) -> bool:
        """Count one event in pane number `pane`; False where that pane is not kept any more (too late)."""
        if pane > self.head:
            self.move_to(pane, length)
        elif pane <= self.head - length:
            return False
        place, total = type_index + 1, self.total
        cell = self.panes.get(pane)
        if cell is None:
            cell = self.panes[pane] = [0] * (place + 1)
        elif len(cell) <= place:
            cell.extend([0] * (place + 1 - len(cell)))
        if len(total) <= place:
            total.extend([0] * (place + 1 - len(total)))
        cell[place] += 1
        total[place] += 1
        if amount_micros:
            cell[0] = add_micros(cell[0], amount_micros)
            total[0] = add_micros(total[0], amount_micros)
        return True

    def move_to(self, head: int, length: int) -> None:
        """Make `head` the newest pane, and forget those that fall out of the ring."""
        self.head = head
        oldest = head - length
        panes = self.panes
        if not panes:
            return
        total = self.total
        for number in [number for number in panes if number <= oldest]:
            for index, value in enumerate(panes.pop(number)):
                total[index] -= value
        if total:
            total[0] = add_micros(total[0], 0)

    def last(self, panes: int) -> Pane:
        """Sum of the newest `panes` panes, the current one included."""
        oldest = self.head - panes
        result: Pane = []
        for number, cell in self.panes.items():
            if number > oldest:
                if len(cell) > len(result):
                    result.extend([0] * (len(cell) - len(result)))
                for index, value in enumerate(cell):
                    result[index] += value
        return result

    def events_of_last(self, panes: int) -> int:
        """How many events are in the newest `panes` panes, the current one included."""
        if len(self.panes) == 1:
            return events_of(self.total)
        oldest = self.head - panes
        events = 0
        for number, cell in self.panes.items():
            if number > oldest:
                events += sum(cell) - cell[0]
        return events


def add_micros(total: int, micros: int) -> int:
    """Add money; the sum stays within ±`MAX_MICROS`."""
    return max(-MAX_MICROS, min(MAX_MICROS, total + micros))


def amount_of(pane: Pane) -> float:
    """Money of a pane or sum of panes, in units."""
    return pane[0] / MICRO if pane else 0.0


def count_of(pane: Pane, type_indexes: Collection[int]) -> int:
    """How many events of some types are in a pane or sum of panes."""
    size, count = len(pane) - 1, 0
    for index in type_indexes:
        if index < size:
            count += pane[index + 1]
    return count


def events_of(pane: Pane) -> int:
    """How many events of any type are in a pane or sum of panes."""
    return sum(pane) - pane[0] if pane else 0

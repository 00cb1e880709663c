"""What an entity does by day besides what panes count: its visits, and its events by category.

A row of days is a byte for each day, newest last, at most 255 a day; days before the first that counted are left out.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

import msgspec

KEPT_DAYS: Final = 30
"""Four weeks, and two days that may have begun before those four weeks are looked at."""
MAX_HABITUAL: Final = 8
"""Categories counted by day."""
MOST_OF_A_DAY: Final = 255


class Habits(msgspec.Struct, array_like=True, gc=False):
    """Counts by day of one entity.

    Attributes
    ----------
    head
        The newest day, in days since 1970 (UTC); -1 before the first event. It is the last of each row.
    visits
        Visits that began on each day.
    categories
        Events by category, under `category_key`.
    turned_away
        The newest day on which a category found no place: rows of days before it may lack one that came in later.
    """

    head: int = -1
    visits: bytes = b""
    categories: dict[int, bytes] = {}
    turned_away: int = -1

    def count(self, day: int, category: str | None, *, begins_visit: bool) -> None:
        """Take in one event of a day; one that is older than the days kept counts nothing."""
        if day > self.head:
            self._advance(day)
        back = self.head - day
        if back >= KEPT_DAYS:
            return
        if begins_visit:
            self.visits = _one_more(self.visits, back)
        if category is None:
            return
        key, categories = category_key(category), self.categories
        if key in categories or len(categories) < MAX_HABITUAL:
            categories[key] = _one_more(categories.get(key, b""), back)
        else:
            self.turned_away = max(self.turned_away, day)

    def _advance(self, day: int) -> None:
        days = min(day - self.head, KEPT_DAYS)
        self.head = day
        self.visits = _moved_on(self.visits, days)
        if self.categories:
            rows = {key: _moved_on(row, days) for key, row in self.categories.items()}
            self.categories = {key: row for key, row in rows.items() if row}


def category_key(category: str) -> int:
    """Key of a category in `Habits.categories`: a checksum, which is shorter than most names."""
    return crc32(category.encode("utf-8", "surrogatepass"))


def counts_of(row: bytes, head: int, first: int, last: int) -> tuple[int, ...]:
    """Counts of the days from `first` to `last`, oldest first.

    >>> counts_of(bytes([2, 0, 5]), 10, 7, 9)
    (0, 2, 0)
    """
    oldest = head - len(row) + 1
    return tuple(row[day - oldest] if oldest <= day <= head else 0 for day in range(first, last + 1))


def _one_more(row: bytes, back: int) -> bytes:
    """A row with one more on the day `back` days before the newest."""
    counts = bytearray(row.rjust(back + 1, b"\0"))
    counts[-1 - back] = min(counts[-1 - back] + 1, MOST_OF_A_DAY)
    return bytes(counts)


def _moved_on(row: bytes, days: int) -> bytes:
    """A row whose newest day is so many days later."""
    return (row + bytes(days))[-KEPT_DAYS:].lstrip(b"\0")

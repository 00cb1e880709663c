"""Money by category and day, in bounded space: for forecasts by category."""

from __future__ import annotations

from typing import Final

from ubi_stream.state.panes import add_micros

MAX_SPENT_CATEGORIES: Final = 4
"""Categories kept of one entity. Money is spent seldom: with its days one takes 50 to 250 bytes."""

Spent = dict[str, dict[int, int]]
"""Micro-units by category and day; days without any are left out."""


def add_spent(spent: Spent, category: str, day: int, micros: int, *, days: int) -> None:
    """Count money in a category on a day; only the newest `days` days are kept.

    A new category takes the place of the one without money for longest, unless that is the newer one.
    """
    own = spent.get(category)
    if own is None:
        if len(spent) >= MAX_SPENT_CATEGORIES:
            oldest = min(spent, key=lambda name: (max(spent[name]), name))
            if max(spent[oldest]) > day:
                return
            del spent[oldest]
        own = spent[category] = {}
    own[day] = add_micros(own.get(day, 0), micros)
    newest = max(own)
    for old in [known for known in own if known <= newest - days]:
        del own[old]

"""Takes a merged profile out of a user's again, as far as sums can be undone.

Counts of the panes that are still kept, totals, and counts by hour, day and category go back. What cannot be taken
apart stays with the user: the first and last time, the current visit, ids of events, bits of days, rules that were met,
largest and different values.
"""

from __future__ import annotations

from ubi_stream.state.ewma import Baseline
from ubi_stream.state.fold import SLOW_ALPHA
from ubi_stream.state.habits import KEPT_DAYS, Habits, counts_of
from ubi_stream.state.model import UserState, VisitTotals
from ubi_stream.state.panes import PaneRing


def split_state(state: UserState, other: UserState) -> None:
    """Take out of a state, in place, what was merged into it of another."""
    for ring, theirs in ((state.minutes, other.minutes), (state.hours, other.hours), (state.days, other.days)):
        split_rings(ring, theirs)
    if state.aggregates is not None and other.aggregates is not None:
        for key, ring in other.aggregates.sums.items():
            if (own := state.aggregates.sums.get(key)) is not None:
                split_rings(own, ring)
    for name in ("events", "conversions", "late", "labels"):
        setattr(state, name, max(0, getattr(state, name) - getattr(other, name)))
    if other.hour_profile:
        profile = zip(state.hour_profile, other.hour_profile, strict=True)
        state.hour_profile = [max(0, one - two) for one, two in profile]
    _less(state.categories, other.categories)
    for name, days in other.spent.items():
        if (by_day := state.spent.get(name)) is not None:
            _less(by_day, days)
            if not by_day:
                del state.spent[name]
    _split_visits(state.visits, other.visits)
    state.habits = _split_habits(state.habits, other.habits)
    state.amount = without(state.amount, other.amount)
    state.gap_s = without(state.gap_s, other.gap_s) or Baseline()


def split_rings(ring: PaneRing, other: PaneRing) -> None:
    """Take the panes of another ring out of those that are kept."""
    for number, cell in other.panes.items():
        own = ring.panes.get(number)
        if own is None:
            continue
        for place, value in enumerate(cell[: len(own)]):
            taken = value if place == 0 else min(value, own[place])  # money may be below 0, a count may not
            own[place] -= taken
            ring.total[place] -= taken
        if not any(own[1:]):
            del ring.panes[number]


def without(one: Baseline | None, other: Baseline | None) -> Baseline | None:
    """The baseline of those values that are not in the other one: `pooled` undone; None where none are left.

    >>> from ubi_stream.state.merge import pooled
    >>> one, other = Baseline(4, 10.0, 2.0), Baseline(2, 4.0, 1.0)
    >>> back = without(pooled(one, other, SLOW_ALPHA), other)
    >>> back.n, round(back.mean, 9), round(back.variance, 9)
    (4, 10.0, 2.0)
    """
    if one is None or other is None or other.n == 0:
        return one
    n = one.n - other.n
    if n <= 0:
        return None
    whole, theirs = min(one.n, 1 / SLOW_ALPHA), min(other.n, 1 / SLOW_ALPHA)
    share = min(theirs / whole, 0.5) if one.n * SLOW_ALPHA > 1 else other.n / one.n
    mean = (one.mean - share * other.mean) / (1 - share)
    delta = other.mean - mean
    variance = (one.variance - share * other.variance - share * (1 - share) * delta * delta) / (1 - share)
    return Baseline(n, mean, max(0.0, variance))


def _less(counts: dict[str, int] | dict[int, int], other: dict[str, int] | dict[int, int]) -> None:
    """Take counts out of others, in place; what comes to nothing goes."""
    for key in [key for key in counts if key in other]:
        counts[key] -= other[key]  # type: ignore[index]  # both have the same kind of key
        if counts[key] <= 0:  # type: ignore[index]
            del counts[key]  # type: ignore[arg-type]


def _split_visits(visits: VisitTotals, other: VisitTotals) -> None:
    for name in ("count", "bounces", "converted", "with_intent"):
        setattr(visits, name, max(0, getattr(visits, name) - getattr(other, name)))


def _split_habits(habits: Habits, other: Habits) -> Habits:
    if habits.head < 0 or other.head < 0:
        return habits
    days = habits.head - KEPT_DAYS + 1, habits.head

    def row(mine: bytes, theirs: bytes) -> bytes:
        counts = zip(counts_of(mine, habits.head, *days), counts_of(theirs, other.head, *days), strict=True)
        return bytes(max(0, one - two) for one, two in counts).lstrip(b"\0")

    rows = {key: row(counts, other.categories.get(key, b"")) for key, counts in habits.categories.items()}
    rows = {key: counts for key, counts in rows.items() if counts}
    return Habits(habits.head, row(habits.visits, other.visits), rows, habits.turned_away)

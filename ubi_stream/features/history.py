"""An entity's last four weeks, day by day: what changes of behaviour are found in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ubi_stream.features.days import day_panes
from ubi_stream.packs.plan import OTHER_TYPE, Plan
from ubi_stream.state.ewma import Baseline
from ubi_stream.state.habits import category_key, counts_of
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS, MICRO, Pane
from ubi_stream.state.reviews import MIN_KNOWN_DAYS

WEEKS: Final = 4
SAMPLE: Final = 0
"""Position of the measure that says how many independent occasions there were."""


class Limits(NamedTuple):
    """What a change must be: by which factor, how certain in deviations, on how many visits (or events) of a sample."""

    factor: float
    min_z: float
    min_sample: int


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing counted day by day.

    Attributes
    ----------
    name
        `visits`, `events`, `amount`, `type/<event type>` or `category/<category>`.
    unit
        As features name it.
    values
        Of each day, oldest first, at least 0.
    clump
        How much of it comes at once: variance over mean of a day's sum, were occasions independent of each other.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    clump: float

    @property
    def is_total(self) -> bool:
        """Whether it is about all that the entity does, not about one type or category."""
        return "/" not in self.name


@dataclass(frozen=True, slots=True)
class DailyHistory:
    """The days up to one that is over, without the entity's first.

    Attributes
    ----------
    day
        The last of them, in days since 1970 (UTC).
    measures
        Each with one value a day. The first one is what counts as the sample: a user's visits, of which each has
        several events that depend on each other; of other entities, whose events are by different users, the events.
    limits
        From which on there is a change.
    """

    day: int
    measures: tuple[Measure, ...]
    limits: Limits


def history_until(state: UserState, day: int, plan: Plan) -> DailyHistory | None:
    """The history until the end of a day; None where it is too short, or has too little in it.

    The first day is left out: everybody does something on it, whatever the habits.
    """
    model = plan.parts.models.change
    if model is None:
        return None
    limits = Limits(model.factor, model.info_z, model.min_visits)
    first = max(state.first_ms // DAY_MS + 1, day - 7 * WEEKS + 1)
    if plan.exact and state.log_dropped and state.log:
        first = max(first, state.log[0].time_ms // DAY_MS + 1)
    if day - first + 1 < MIN_KNOWN_DAYS:
        return None
    panes = day_panes(state, plan)
    days = [panes.get(number, []) for number in range(first, day + 1)]
    totals = tuple(_totals(state, plan, days, first, day))
    if sum(totals[SAMPLE].values) < limits.min_sample:
        return None
    return DailyHistory(day, (*totals, *_of_types(state, plan, days), *_of_categories(state, first, day)), limits)


def _totals(state: UserState, plan: Plan, days: Sequence[Pane], first: int, last: int) -> Iterator[Measure]:
    events = tuple(float(sum(pane[1:])) for pane in days)
    if plan.has_visits:
        visits = tuple(map(float, counts_of(state.habits.visits, state.habits.head, first, last)))
        yield Measure("visits", "visits", visits, 1.0)
        yield Measure("events", "events", events, _events_clump(state))
    else:
        yield Measure("events", "events", events, 1.0)
    if state.amount is not None and state.amount.mean > 0.0:
        # A refund makes a day's sum smaller, not a habit of its own.
        money = tuple(max(pane[0], 0) / MICRO if pane else 0.0 for pane in days)
        yield Measure("amount", "money", money, _clump(state.amount))


def _of_types(state: UserState, plan: Plan, days: Sequence[Pane]) -> Iterator[Measure]:
    """Each event type, where there are several: the share of a visit's events that are of it clumps as they do."""
    names = {index: name for name, index in plan.type_index.items()} | {plan.other_type: OTHER_TYPE}
    by_type = {
        name: values
        for index, name in names.items()
        if any(values := tuple(float(pane[index + 1]) if len(pane) > index + 1 else 0.0 for pane in days))
    }
    total = sum(map(sum, by_type.values()))
    clump = _events_clump(state) if plan.has_visits else 1.0
    if len(by_type) > 1:
        for name, values in by_type.items():
            yield Measure(f"type/{name}", "events", values, 1.0 + sum(values) / total * (clump - 1.0))


def _of_categories(state: UserState, first: int, last: int) -> Iterator[Measure]:
    """Categories that were counted all the time and whose name is known; a visit is mostly about one of them."""
    habits = state.habits
    if habits.turned_away >= first or len(habits.categories) < 2:
        return
    clump = _events_clump(state)
    for name in sorted(state.categories):
        if row := habits.categories.get(category_key(name)):
            values = tuple(map(float, counts_of(row, habits.head, first, last)))
            yield Measure(f"category/{name}", "events", values, clump)


def _events_clump(state: UserState) -> float:
    """Of the events of a user: they come in visits."""
    return 1.0 if state.visits.depth is None else max(1.0, _clump(state.visits.depth))


def _clump(size: Baseline) -> float:
    """Variance over mean of a sum of independent parts of that size, a random number of them (compound Poisson)."""
    return size.mean + size.variance / size.mean

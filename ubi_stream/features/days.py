"""A user's days before today: what forecasts are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS, MICRO, Pane, amount_of, events_of

Target = Literal["amount", "events"]
MAX_DAYS: Final = 29
"""Whole days that a state keeps: of its thirty panes one is today's."""


@dataclass(frozen=True, slots=True)
class Days:
    """Complete days of one user, oldest first; a day without events is 0.

    Attributes
    ----------
    today
        The day after the last of them, in days since 1970 (UTC).
    values
        Money or events of each day, from the user's first on, `MAX_DAYS` at most.
    active
        How many of them had events.
    by_category
        Money of each day in each of a few categories, where the pack has categories and money is asked for.
    """

    today: int
    values: tuple[float, ...]
    active: int
    by_category: dict[str, tuple[float, ...]]


def opens_day(state: UserState, at_ms: int, plan: Plan) -> bool:
    """Whether the event at `at_ms`, the newest taken in, is the user's first of the newest day: those before are over.

    Later events of those days (they came late) change nothing that was said.
    """
    day = at_ms // DAY_MS
    if plan.exact:
        log = state.log
        return bool(log) and log[-1].time_ms // DAY_MS == day and (len(log) == 1 or log[-2].time_ms // DAY_MS < day)
    return state.days.head == day and events_of(state.days.panes.get(day, [])) == 1


def days_before_today(state: UserState, plan: Plan, target: Target) -> Days:
    """The days before the newest that the user did something on."""
    panes = day_panes(state, plan)
    today = max(panes, default=0)
    first = max(state.first_ms // DAY_MS, today - MAX_DAYS)
    measure = amount_of if target == "amount" else events_of
    span = range(first, today)
    return Days(
        today=today,
        values=tuple(float(measure(panes.get(day, []))) for day in span),
        active=sum(first <= day < today for day in panes),
        by_category={
            name: tuple(spent.get(day, 0) / MICRO for day in span)
            for name, spent in (state.spent.items() if target == "amount" else ())
        },
    )


def day_panes(state: UserState, plan: Plan) -> dict[int, Pane]:
    """Panes of the days that are kept, by number; those of a log are made of its entries."""
    if not plan.exact:
        return state.days.panes
    panes: dict[int, Pane] = {}
    for entry in state.log:
        pane, place = panes.setdefault(entry.time_ms // DAY_MS, [0]), entry.type_index + 1
        pane.extend([0] * (place + 1 - len(pane)))
        pane[0] += entry.amount_micros
        pane[place] += 1
    return panes

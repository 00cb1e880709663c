"""What packages of other people may import: features, models and detectors of their own. The rest is internal.

Names in `__all__` keep their meaning from one minor version to the next. One that has to go is deprecated for at least
one minor version first: a `DeprecationWarning` names what replaces it. CHANGELOG lists every change of this module.

An extension is found by an entry point: `ubi_stream.features` names a module that registers features,
`ubi_stream.models` names a model or a detector. It must be a function of its arguments, in their order: no clock, no
unseeded random numbers, nothing from outside. Otherwise a replay would differ, and so would two workers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal, Protocol

from ubi_stream.features.registry import MISSING, feature
from ubi_stream.models.common.protocol import ManyRowsDetector, RowDetector, RowModel
from ubi_stream.state.panes import Pane, PaneRing, amount_of, count_of, events_of

__all__ = [
    "MISSING",
    "CurrentVisit",
    "EntityState",
    "ManyRowsDetector",
    "PackPlan",
    "PastVisits",
    "RowDetector",
    "RowModel",
    "Window",
    "amount_in",
    "events_in",
    "feature",
]

Window = Literal["1h", "24h", "7d", "30d"]
"""The current pane counts as whole: a day's window reaches back 23 to 24 hours, one of 7 days 6 to 7 days."""


class CurrentVisit(Protocol):
    """The current visit of an entity. Times are Unix milliseconds of event time."""

    @property
    def start_ms(self) -> int:
        """Time of its first event."""

    @property
    def last_ms(self) -> int:
        """Time of its newest event."""

    @property
    def events(self) -> int:
        """Number of events."""

    @property
    def interests(self) -> int:
        """Events of the funnel's first step."""

    @property
    def intents(self) -> int:
        """Events of the funnel's middle step."""

    @property
    def conversions(self) -> int:
        """Events of the funnel's last step."""


class PastVisits(Protocol):
    """The ended visits of an entity."""

    @property
    def count(self) -> int:
        """Number of visits."""

    @property
    def bounces(self) -> int:
        """Those with one event."""

    @property
    def converted(self) -> int:
        """Those with a conversion."""

    @property
    def with_intent(self) -> int:
        """Those with an intent."""


class EntityState(Protocol):
    """What a feature may read of an entity's state, the newest event included. It must change none of it.

    Times are Unix milliseconds of event time.
    """

    @property
    def first_ms(self) -> int:
        """Time of the first event."""

    @property
    def last_ms(self) -> int:
        """Time of the newest event."""

    @property
    def events(self) -> int:
        """Number of events."""

    @property
    def conversions(self) -> int:
        """Events of the funnel's last step."""

    @property
    def last_conversion_ms(self) -> int:
        """Time of the newest conversion; 0 where there was none."""

    @property
    def newest_amount(self) -> float | None:
        """Newest amount that counts as spent, below 0 for a refund; None where there was none."""

    @property
    def last_gap_s(self) -> float:
        """Seconds between the two newest events; -1 after the first event."""

    @property
    def hour_profile(self) -> list[int]:
        """Number of events by hour of the local day: 24 numbers, or none before the first event."""

    @property
    def categories(self) -> dict[str, int]:
        """Number of events by category; the most frequent ones only."""

    @property
    def session(self) -> CurrentVisit:
        """The current visit."""

    @property
    def visits(self) -> PastVisits:
        """The visits that ended."""

    @property
    def segment(self) -> str:
        """Name of the segment before this event; empty where there is none."""

    @property
    def minutes(self) -> PaneRing:
        """Panes of five minutes over an hour; read them by `events_in` and `amount_in`."""

    @property
    def hours(self) -> PaneRing:
        """Panes of an hour over a day; read them by `events_in` and `amount_in`."""

    @property
    def days(self) -> PaneRing:
        """Panes of a day over 30 days; read them by `events_in` and `amount_in`."""


class PackPlan(Protocol):
    """What a feature may read of the pack: event types by index, roles, times."""

    @property
    def type_index(self) -> Mapping[str, int]:
        """Index of each event type."""

    @property
    def interests(self) -> tuple[int, ...]:
        """Indexes of the types of the funnel's first step."""

    @property
    def intents(self) -> tuple[int, ...]:
        """Indexes of the types of the funnel's middle step."""

    @property
    def conversions(self) -> tuple[int, ...]:
        """Indexes of the types of the funnel's last step."""

    @property
    def amount_types(self) -> frozenset[int]:
        """Indexes of the types whose amount counts as spent."""

    @property
    def currency(self) -> str | None:
        """Code of the currency of amounts, where the pack names one."""

    @property
    def session_gap_ms(self) -> int:
        """Pause that ends a visit."""


_WEEK_DAYS: Final = 7


def _total(state: EntityState, window: Window) -> Pane:
    if window == "1h":
        return state.minutes.total
    if window == "24h":
        return state.hours.total
    return state.days.last(_WEEK_DAYS) if window == "7d" else state.days.total


def events_in(state: EntityState, window: Window, types: Collection[int] | None = None) -> int:
    """Return the number of events in a window.

    Parameters
    ----------
    state
        Of an entity whose `windows` are "paned"; with "exact" ones nothing is counted here.
    window
        How far it reaches back from the newest event.
    types
        Indexes of the types that count, such as `plan.intents`; None counts all.
    """
    total = _total(state, window)
    return events_of(total) if types is None else count_of(total, types)


def amount_in(state: EntityState, window: Window) -> float:
    """Return the money spent in a window, in units of the currency: see `events_in`."""
    return amount_of(_total(state, window))

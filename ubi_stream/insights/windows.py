"""Counts of a partition in panes of event time: events by type, users by segment, visits and their funnel by class.

They are partial: the sum over partitions is the figure. A pane closes when the watermark has passed its end. Until then
its counts so far can be had as well; the next ones replace them.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Final, NamedTuple

import msgspec

from ubi_stream.events.model import Findings, NotKept
from ubi_stream.features.event_context import EventContext
from ubi_stream.features.stage import NO_ROW, Featurized
from ubi_stream.insights.model import WindowCount
from ubi_stream.packs.plan import Plan
from ubi_stream.privacy.filter import OTHER as OTHER_NAME
from ubi_stream.rules.segments import Assigned
from ubi_stream.state.fold import PANE_MS as STATE_PANE_MS
from ubi_stream.state.fold import number
from ubi_stream.state.panes import DAY_MS, HOUR_MS, MICRO
from ubi_stream.state.stage import StateChange
from ubi_stream.state.visit_class import class_of
from ubi_stream.state.visits import EndedVisit, since_counted

PANE_MS: Final = STATE_PANE_MS
"""The states' own panes: they tell whether an event is its entity's first in one."""
WIDTHS_MS: Final = (PANE_MS, HOUR_MS, DAY_MS)
"""Panes that users are counted in. Counts of users don't add up over panes, so there are longer ones too."""
EVENTS: Final = "events"
USERS: Final = "users_by_segment"
VISITS: Final = "segment_distribution"
FUNNEL: Final = "conversion_funnel"
PERSONAL_DATA: Final = "personal_data"
WITHHELD: Final = "withheld"
MAX_TOTALS: Final = 500
"""Properties with personal data that are counted apart; further ones are counted together."""
NO_CLASS: Final = "none"
"""Class of visits where the pack has no visit classes."""

Cell = list[float]
"""Count, amount."""
Measures = dict[str, dict[str, Cell]]
"""Cells by measure and key."""


class OpenWindows(msgspec.Struct):
    """Panes that are still open: part of the partition's record.

    `panes` are those of five minutes by their start in ms, `wide` longer ones by width and start; `watermark_ms` is the
    newest watermark seen. `totals` belong to no pane: they count from the first event on.
    """

    panes: dict[int, Measures] = {}
    watermark_ms: int = -1
    wide: dict[int, dict[int, Measures]] = {}
    totals: Measures = {}


class _Place(NamedTuple):
    """What tells one cell from another."""

    width_ms: int
    pane: int
    measure: str
    key: str


class WindowCounter:
    """Counts the new moments of a batch into panes; gives the cells of those that closed, and of open ones."""

    def __init__(self, plan: Plan, partition: int, windows: OpenWindows) -> None:
        self._plan = plan
        self._partition = partition
        self._windows = windows
        self._cells: dict[_Place, Cell] = {}  # those of the open panes, to be found at once
        self._changed: dict[_Place, Cell] = {
            _Place(0, 0, measure, key): cell for measure, cells in windows.totals.items() for key, cell in cells.items()
        }  # totals never close: what a crashed worker did not send is sent again
        self._closes_ms = self._next_close_ms()

    def count(self, batch: Featurized, assigned: Assigned) -> list[WindowCount]:
        """Count a batch; returns the cells of panes that closed."""
        closed: list[WindowCount] = []
        windows = self._windows
        for change, row, before, after in zip(batch.changes, batch.rows, assigned.before, assigned.after, strict=True):
            if not change.new:
                continue
            if change.event is not None and change.watermark_ms > windows.watermark_ms:
                # Silences that the event before brought to light are counted by now.
                closed += self._close()
                before_ms, windows.watermark_ms = windows.watermark_ms, change.watermark_ms
            else:
                before_ms = windows.watermark_ms
            # An event may come too late for its pane; a silence never does.
            told_ms = -1 if change.event is None else before_ms
            if row != NO_ROW:
                self._count_event(change, told_ms)
                if after:
                    self._count_user(change.at_ms, before, after, batch.context[row], told_ms)
            if change.ended is not None:
                self._count_visit(change.ended, change.at_ms, told_ms)
        closed += self._close()
        return closed

    def count_personal_data(self, findings: Iterable[Findings], not_kept: Iterable[NotKept]) -> None:
        """Count records with personal data, and events that were not kept; `amount` is the newest arrival in ms."""
        for one in findings:
            for name, rule, action in one.found:
                self._add_total(PERSONAL_DATA, name, f"{rule}/{action}", one.record.timestamp_ms)
        for event in not_kept:
            self._add_total(WITHHELD, "", event.reason.value, event.record.timestamp_ms)

    def open_counts(self) -> list[WindowCount]:
        """Cells of open panes that changed since they were asked for last, as they are now."""
        changed, self._changed = self._changed, {}
        return [self._count_of(place, cell, closed=False) for place, cell in changed.items()]

    def users_now(self, width_ms: int) -> tuple[int, dict[str, int]]:
        """Start of the newest pane of a width in which users were active (-1: none), and these users by segment."""
        panes = self._windows.panes if width_ms == PANE_MS else self._windows.wide.get(width_ms, {})
        newest = max((pane for pane, measures in panes.items() if USERS in measures), default=-1)
        return newest, {key: int(cell[0]) for key, cell in panes[newest][USERS].items()} if newest >= 0 else {}

    def _count_event(self, change: StateChange, told_ms: int) -> None:
        event = change.event
        assert event is not None, "a moment with a row has an event"
        spent = 0.0
        if self._plan.type_index.get(event.event_type) in self._plan.amount_types:
            spent = number(event.properties, self._plan.amount) or 0.0
        self._add(PANE_MS, change.at_ms, told_ms, EVENTS, self._plan.type_name(event.event_type), amount=spent)

    def _count_user(self, at_ms: int, before: str, after: str, context: EventContext, told_ms: int) -> None:
        """Count the user under the present segment: at the first event of a pane, and again when the segment changes.

        A late event in a pane before the user's newest one changes nothing there: in that pane the segment was another.
        """
        first_in = (context.first_in_pane, context.first_in_hour, context.first_in_day)
        for width_ms, first in zip(WIDTHS_MS, first_in, strict=True):
            if first:
                self._add(width_ms, at_ms, told_ms, USERS, after)
            elif before != after and at_ms // width_ms == context.newest_ms // width_ms:
                self._add(width_ms, at_ms, told_ms, USERS, before, count=-1)
                self._add(width_ms, at_ms, told_ms, USERS, after)

    def _count_visit(self, ended: EndedVisit, at_ms: int, told_ms: int) -> None:
        """Count a visit where it was over. What comes if it goes on is counted where it is over again."""
        part = ended.session
        found = class_of(part, self._plan)
        name = found.name if found else NO_CLASS
        interests, intents, conversions, micros = since_counted(part)
        spent, new = micros / MICRO, int(part.part == 0 and not part.counted)
        self._add(PANE_MS, at_ms, told_ms, VISITS, name, count=new, amount=spent)
        self._add(PANE_MS, at_ms, told_ms, FUNNEL, f"{name}/visit", count=new, amount=spent)
        for step, events in (("interest", interests), ("intent", intents), ("conversion", conversions)):
            if events:
                revenue = spent if step == "conversion" else 0.0
                self._add(PANE_MS, at_ms, told_ms, FUNNEL, f"{name}/{step}", count=events, amount=revenue)

    def _add(
        self, width_ms: int, at_ms: int, told_ms: int, measure: str, key: str, *, count: int = 1, amount: float = 0.0
    ) -> None:
        """Add to the cell of the pane that holds a time, unless that pane was told as closed."""
        pane = at_ms // width_ms * width_ms
        if pane + width_ms <= told_ms:
            return
        place = _Place(width_ms, pane, measure, key)
        cell = self._cells.get(place)
        if cell is None:
            windows = self._windows
            panes = windows.panes if width_ms == PANE_MS else windows.wide.setdefault(width_ms, {})
            cell = panes.setdefault(pane, {}).setdefault(measure, {}).setdefault(key, [0, 0.0])
            self._cells[place] = cell
            self._closes_ms = min(self._closes_ms, pane + width_ms)
        cell[0] += count
        cell[1] += amount
        self._changed[place] = cell

    def _add_total(self, measure: str, name: str, rest: str, at_ms: int) -> None:
        cells = self._windows.totals.setdefault(measure, {})
        key = f"{name}/{rest}" if name else rest
        if key not in cells and len(cells) >= MAX_TOTALS:
            key = f"{OTHER_NAME}/{rest}"
        cell = cells.setdefault(key, [0, 0.0])
        cell[0] += 1
        cell[1] = max(cell[1], float(at_ms))
        self._changed[_Place(0, 0, measure, key)] = cell

    def _close(self) -> list[WindowCount]:
        windows = self._windows
        if self._closes_ms > windows.watermark_ms:
            return []  # as nearly always
        self._cells.clear()
        closed: list[WindowCount] = []
        for width_ms, panes in self._by_width():
            for pane in sorted(pane for pane in panes if pane + width_ms <= windows.watermark_ms):
                for measure, cells in sorted(panes.pop(pane).items()):
                    for key, cell in sorted(cells.items()):
                        place = _Place(width_ms, pane, measure, key)
                        self._changed.pop(place, None)
                        closed.append(self._count_of(place, cell, closed=True))
        self._closes_ms = self._next_close_ms()
        return closed

    def _next_close_ms(self) -> float:
        """When the first of the open panes is over."""
        return min((pane + width_ms for width_ms, panes in self._by_width() for pane in panes), default=inf)

    def _by_width(self) -> list[tuple[int, dict[int, Measures]]]:
        return [(PANE_MS, self._windows.panes), *sorted(self._windows.wide.items())]

    def _count_of(self, place: _Place, cell: Cell, *, closed: bool) -> WindowCount:
        return WindowCount(
            pack=self._plan.pack.name,
            entity=self._plan.entity.name,
            partition=self._partition,
            pane_start_ms=place.pane,
            pane_ms=place.width_ms,
            measure=place.measure,
            key=place.key,
            count=int(cell[0]),
            amount=cell[1],
            closed=closed,
        )

"""Five-minute counts of a partition: events by type, users by segment, the funnel by segment.

They are partial: the sum over partitions is the figure. A pane is told once, when the watermark has passed its end.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ubi_stream.features.stage import NO_ROW, Featurized
from ubi_stream.insights.model import WindowCount
from ubi_stream.models.segments import Assigned
from ubi_stream.packs.plan import Plan
from ubi_stream.state.fold import PANE_MS as STATE_PANE_MS
from ubi_stream.state.fold import number
from ubi_stream.state.stage import Moment

PANE_MS: Final = STATE_PANE_MS
"""The states' own panes: they tell whether an event is its entity's first in one."""
EVENTS: Final = "events"
SEGMENTS: Final = "segment_distribution"
FUNNEL: Final = "conversion_funnel"

Cell = list[float]
"""Count, amount."""


class OpenWindows(msgspec.Struct):
    """Panes that are still open: part of the partition's record.

    `panes` is pane start in ms -> measure -> key -> [count, amount]; `watermark_ms` the newest watermark seen.
    """

    panes: dict[int, dict[str, dict[str, Cell]]] = {}
    watermark_ms: int = -1


class WindowCounter:
    """Counts the new moments of a batch into panes, and tells those that closed."""

    def __init__(self, plan: Plan, partition: int, windows: OpenWindows) -> None:
        self._plan = plan
        self._partition = partition
        self._windows = windows
        self._cells: dict[tuple[int, str, str], Cell] = {}  # those of the open panes, to be found at once

    def count(self, batch: Featurized, assigned: Assigned) -> list[WindowCount]:
        """Count a batch; returns the cells of panes that closed."""
        closed: list[WindowCount] = []
        windows = self._windows
        for moment, row, before, after in zip(batch.moments, batch.rows, assigned.before, assigned.after, strict=True):
            if not moment.new:
                continue
            if moment.event is not None and moment.watermark_ms > windows.watermark_ms:
                # Silences that the event before brought to light are counted by now.
                closed += self._close()
                before_ms, windows.watermark_ms = windows.watermark_ms, moment.watermark_ms
            else:
                before_ms = windows.watermark_ms
            pane = moment.at_ms // PANE_MS * PANE_MS
            if moment.event is not None and pane + PANE_MS <= before_ms:
                continue  # too late: that pane was told
            if row != NO_ROW:
                self._count_event(moment, pane, after, first=batch.facts[row].first_in_pane)
            if moment.ended is not None:
                self._count_visit(moment, pane, before)
        closed += self._close()
        return closed

    def _count_event(self, moment: Moment, pane: int, segment: str, *, first: bool) -> None:
        event = moment.event
        assert event is not None, "a moment with a row has an event"
        spent = 0.0
        if self._plan.type_index.get(event.event_type) in self._plan.amount_types:
            spent = number(event.properties, self._plan.amount) or 0.0
        self._add(pane, EVENTS, self._plan.type_name(event.event_type), spent)
        if segment and first:
            self._add(pane, SEGMENTS, segment)

    def _count_visit(self, moment: Moment, pane: int, segment: str) -> None:
        assert moment.ended is not None, "called for ended visits"
        session, name = moment.ended.session, segment or "none"
        self._add(pane, FUNNEL, f"{name}/visit")
        for step, reached in (
            ("interest", session.interests),
            ("intent", session.intents),
            ("conversion", session.conversions),
        ):
            if reached:
                self._add(pane, FUNNEL, f"{name}/{step}")

    def _add(self, pane: int, measure: str, key: str, amount: float = 0.0) -> None:
        cell = self._cells.get((pane, measure, key))
        if cell is None:
            cell = self._windows.panes.setdefault(pane, {}).setdefault(measure, {}).setdefault(key, [0, 0.0])
            self._cells[pane, measure, key] = cell
        cell[0] += 1
        cell[1] += amount

    def _close(self) -> list[WindowCount]:
        windows = self._windows
        if min(windows.panes, default=windows.watermark_ms) + PANE_MS > windows.watermark_ms:
            return []  # as nearly always
        self._cells.clear()
        done = sorted(pane for pane in windows.panes if pane + PANE_MS <= windows.watermark_ms)
        return [
            WindowCount(
                pack=self._plan.pack.name,
                entity=self._plan.entity.name,
                partition=self._partition,
                pane_start_ms=pane,
                pane_ms=PANE_MS,
                measure=measure,
                key=key,
                count=int(cell[0]),
                amount=cell[1],
            )
            for pane in done
            for measure, cells in sorted(windows.panes.pop(pane).items())
            for key, cell in sorted(cells.items())
        ]

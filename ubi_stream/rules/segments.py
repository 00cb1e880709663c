"""Segments: a user's class over time, which changes only when another one has held for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from typing import Final

import numpy as np

from ubi_stream.features.event_context import EventContext
from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import NO_ROW, Featurized, Matrix
from ubi_stream.packs.segments import Segment
from ubi_stream.rules.conditions import OUT_OF_REACH, Checks, Conditions
from ubi_stream.rules.frequency import FrequencyTable
from ubi_stream.state.model import UserState
from ubi_stream.state.panes import DAY_MS, HOUR_MS
from ubi_stream.state.stage import StateChange

ASKED_MS: Final = DAY_MS
"""The confidence of a segment is the probability that it still holds so much later."""
BY_DEFINITION: Final[dict[str, object]] = {"status": "by_definition"}
"""Of a segment that is a fact: a silence that lasted so long."""
_STEPS: Final = 20
_CELLS: Final = 26
_BELOW: Final = 6
"""Margins are told apart in steps of a twentieth of a feature's range: so many cells, so many of them below 0."""


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """A change of an entity's segment.

    Attributes
    ----------
    before
        The segment until then.
    since_ms
        Since when that was so.
    row
        The row that the change rests on; None for a silence.
    confidence, confidence_status
        Probability that the segment still holds in 24 hours; or None, and why there is none.
    """

    name: str
    before: str
    since_ms: int
    row: int | None
    confidence: float | None
    confidence_status: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class Assigned:
    """Segments of a batch: of each moment's entity before and after it ("" is none), and the changes by position."""

    before: list[str]
    after: list[str]
    segment_changes: dict[int, SegmentChange]


class Segments:
    """Assigns the first segment whose conditions all hold, once it has held for as long as the pack asks for.

    All that is kept of an entity is in its state, and a function of its own events: only events in the order of time
    count, a late one changes no segment. What is asked about a segment is answered by its change, or by the entity's
    first event from 24 hours on: whether the conditions then give the same segment.

    Parameters
    ----------
    rates
        Learns from those answers; part of the models' snapshot.
    """

    def __init__(
        self, segments: Sequence[Segment], features: Sequence[Feature], rates: FrequencyTable, *, dormant_ms: int
    ) -> None:
        lively = [segment for segment in segments if not segment.silent]
        self.by_name = {segment.name: segment for segment in segments}
        self.conditions = {segment.name: Conditions(segment.when, features) for segment in lively}
        self.silent = next((segment.name for segment in segments if segment.silent), None)
        self.fallback = next((segment.name for segment in lively if not segment.when), None)
        self._rates = rates
        self._names = tuple(self.conditions)
        self._place = {name: place for place, name in enumerate(self._names)}
        self._hold_ms = {segment.name: round(segment.hold_h * HOUR_MS) for segment in segments}
        self._checks = Checks(tuple(self.conditions.values())) if lively else None
        self._staying = {segment.name: Conditions(segment.stay or segment.when, features) for segment in lively}
        self._stay_checks = Checks(tuple(self._staying.values())) if lively else None
        self._dormant_ms = dormant_ms

    def holding(self, name: str, row: Matrix) -> Conditions:
        """The conditions by which a row is in a segment: those to enter it, else the looser ones to stay in it."""
        entering = self.conditions[name]
        return entering if Checks([entering]).hold(row[np.newaxis])[0, 0] else self._staying[name]

    def assign(self, batch: Featurized) -> Assigned:
        """Write each entity's segment into its state. A first segment is no change."""
        assigned = Assigned([], [], {})
        fitting, staying = self._fitting(batch.values)
        for position, (change, row) in enumerate(zip(batch.changes, batch.rows, strict=True)):
            state, before = change.state, change.state.segment
            segment_change: SegmentChange | None = None
            if change.dormant and self.silent and before:
                segment_change = SegmentChange(self.silent, before, state.segment_since_ms, None, None, BY_DEFINITION)
            if row != NO_ROW and self._names:
                place = self._place.get(before)
                name = self._names[fitting[row]]
                if place is not None and place < fitting[row] and staying[row][place]:
                    name = before
                segment_change = self._at_event(change, name, batch.context[row], batch.values[row], row)
            assigned.before.append(before)
            assigned.after.append(state.segment)
            if segment_change is not None:
                assigned.segment_changes[position] = segment_change
        return assigned

    def runner_up(self, name: str, row: Matrix) -> str | None:
        """The segment that would be next: of the others, the one whose conditions are closest to being met.

        Distances are shares of each feature's range, so they compare. The segment for everybody else, which has no
        conditions, is next only where no other is within reach: a value that is missing, or is not the one asked for,
        is out of it.
        """
        within_reach = self._within_reach(name, row)
        if within_reach:
            return max(within_reach, key=lambda other: within_reach[other])
        return self.fallback if self.fallback != name else None

    def is_announced(self, segment_change: SegmentChange) -> bool:
        """Whether a person is to be told of a change."""
        announced_from = self.by_name[segment_change.name].announced_from
        return announced_from is None or segment_change.before in announced_from

    def _at_event(
        self, change: StateChange, name: str, context: EventContext, values: Matrix, row: int
    ) -> SegmentChange | None:
        """Take in that an event's features give a segment; a change if it is the entity's from now on."""
        state, at_ms, before = change.state, change.at_ms, change.state.segment
        if before and context.was_silent_ms == 0.0:
            return None  # it came late, or together with the one before
        since_ms, came_back = state.segment_since_ms, False
        if before and self.silent is not None and context.was_silent_ms > self._dormant_ms:
            came_back, before = True, self.silent
            since_ms = at_ms - round(context.was_silent_ms) + self._dormant_ms
        segment_changes = not before or came_back or self._has_held(state, name, at_ms)
        if state.asked_cell >= 0 and (segment_changes or at_ms - state.asked_ms >= ASKED_MS):
            if change.new and not came_back:
                self._rates.learn(state.segment, state.asked_cell, name == state.segment)
            state.asked_cell = -1
        if segment_changes:
            state.segment, state.segment_since_ms, state.next_segment = name, at_ms, ""
        if state.asked_cell < 0:
            state.asked_cell, state.asked_ms = self._cell(state.segment, values), at_ms
        if not segment_changes or not before:
            return None
        confidence = self._rates.probability(name, state.asked_cell)
        status = self._rates.status() if confidence is None else None
        return SegmentChange(name, before, since_ms, row, confidence, status)

    def _has_held(self, state: UserState, name: str, at_ms: int) -> bool:
        """Whether a segment that is not the entity's has held long enough to be."""
        if name == state.segment:
            state.next_segment = ""
            return False
        if state.next_segment != name:
            state.next_segment, state.next_segment_ms = name, at_ms
        return at_ms - state.next_segment_ms >= self._hold_ms[name]

    def _cell(self, name: str, row: Matrix) -> int:
        """How clearly a row is in a segment, in steps."""
        found = self.conditions.get(name)
        if found is None:
            return 0
        margin = found.margin(row) if found.items else -max(self._within_reach(name, row).values(), default=-1.0)
        return min(max(floor(_STEPS * margin) + _BELOW, 0), _CELLS - 1)

    def _within_reach(self, name: str, row: Matrix) -> dict[str, float]:
        """Margins of the other segments that have conditions, but for those with a value that is out of reach."""
        others = (
            (other, found.margin(row)) for other, found in self.conditions.items() if other != name and found.items
        )
        return {other: margin for other, margin in others if margin > OUT_OF_REACH}

    def _fitting(self, values: Matrix) -> tuple[list[int], list[list[bool]]]:
        """For each row the place of the first segment that holds, and which would be stayed in."""
        if self._checks is None or self._stay_checks is None:
            return [], []
        first: list[int] = self._checks.hold(values).argmax(axis=1).tolist()
        staying: list[list[bool]] = self._stay_checks.hold(values).tolist()
        return first, staying

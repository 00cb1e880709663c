"""Which entities fell silent: timers in event time, driven by the partition's watermark.

A timer is due a fixed delay after an entity's newest event. Whether it has fired is never stored: it has, exactly if
the watermark has passed it. So timers can be set up again from the newest event's time of each entity alone.

The last delay is another matter: it ends what is known of the entity, timers included. So an entity that is there has
not had it, and where the watermark has passed it already (an event that came very late, an entity whose end got lost
in a crash) it fires when the watermark moves next.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import NamedTuple

_MOST_STALE = 2
"""Heap entries for each entity, at which those that count no more are left out."""
_FEW = 1_000
"""Entries that are not worth the trouble."""


class Due(NamedTuple):
    """A timer that fired: sorted by time, then entity, so that the order is the same in every run."""

    deadline_ms: int
    entity_id: str
    stage: int


class InactivityTimers:
    """Fires once for each entity and delay, when the watermark passes newest event + delay.

    Parameters
    ----------
    delays_ms
        Ascending. `stage` of a fired timer is the position in it.

    One heap entry per entity: the next deadline that may be due. It is looked up again when it comes up, so an event
    costs nothing while an earlier entry is waiting.
    """

    def __init__(self, delays_ms: tuple[int, ...]) -> None:
        self._delays = delays_ms
        self._heap: list[tuple[int, str]] = []
        self._next: dict[str, int] = {}
        self._last: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._last)

    def restore(self, last_ms: dict[str, int], watermark_ms: int) -> None:
        """Set up the timers of entities by the time of their newest event; the dictionary is kept."""
        self._last = last_ms
        self._next = {entity_id: self._deadline_after(last, watermark_ms) for entity_id, last in last_ms.items()}
        self._heap = [(deadline, entity_id) for entity_id, deadline in self._next.items()]
        heapify(self._heap)

    def touch(self, entity_id: str, last_ms: int, watermark_ms: int) -> None:
        """Note the time of an entity's newest event."""
        self._last[entity_id] = last_ms
        waiting = self._next.get(entity_id)
        if waiting is not None and waiting <= last_ms + self._delays[0]:
            return  # no deadline of this event is earlier
        deadline = self._deadline_after(last_ms, watermark_ms)
        if waiting is None or deadline < waiting:
            self._next[entity_id] = deadline
            heappush(self._heap, (deadline, entity_id))
            if len(self._heap) > _MOST_STALE * len(self._next) + _FEW:
                self._drop_stale()

    def forget(self, entity_id: str) -> None:
        """Fire no more for an entity; heap entries that are left count no more."""
        self._last.pop(entity_id, None)
        self._next.pop(entity_id, None)

    def is_due(self, watermark_ms: int) -> bool:
        """Whether a watermark passes a timer."""
        return bool(self._heap) and self._heap[0][0] <= watermark_ms

    def fire(self, since_ms: int, watermark_ms: int) -> list[Due]:
        """Timers passed by a watermark that moved from `since_ms` to `watermark_ms`, in order.

        An entity whose last timer fires is forgotten here.
        """
        due: list[Due] = []
        heap, planned = self._heap, self._next
        while heap and heap[0][0] <= watermark_ms:
            deadline, entity_id = heappop(heap)
            if planned.get(entity_id) != deadline:
                continue
            del planned[entity_id]
            last = self._last[entity_id]
            end = len(self._delays) - 1
            due.extend(
                Due(last + delay, entity_id, stage)
                for stage, delay in enumerate(self._delays)
                if last + delay <= watermark_ms and (since_ms < last + delay or stage == end)
            )
            if last + self._delays[end] <= watermark_ms:
                del self._last[entity_id]
            else:
                planned[entity_id] = self._deadline_after(last, watermark_ms)
                heappush(heap, (planned[entity_id], entity_id))
        due.sort()
        return due

    def _drop_stale(self) -> None:
        """Leave out entries that an earlier deadline took the place of: each visit of an entity leaves one."""
        self._heap = [(deadline, entity_id) for entity_id, deadline in self._next.items()]
        heapify(self._heap)

    def _deadline_after(self, last_ms: int, watermark_ms: int) -> int:
        """The first deadline that is not over; the last one if all are."""
        ahead = (last_ms + delay for delay in self._delays if last_ms + delay > watermark_ms)
        return next(ahead, last_ms + self._delays[-1])


class DueTimers:
    """Wakes entities at times of their own: the ends of the horizons of their questions.

    Parameters
    ----------
    planned
        The earliest time of each entity, in ms, as its state has it.

    One entry for each entity, the earliest. Being woken for nothing is harmless: whoever is woken looks what is due.
    """

    def __init__(self, planned: dict[str, int]) -> None:
        self._next = planned
        self._heap = [(due_ms, entity_id) for entity_id, due_ms in planned.items()]
        heapify(self._heap)

    def plan(self, entity_id: str, due_ms: int) -> None:
        """Wake an entity when the watermark passes that time, or an earlier one planned before."""
        waiting = self._next.get(entity_id)
        if waiting is None or due_ms < waiting:
            self._next[entity_id] = due_ms
            heappush(self._heap, (due_ms, entity_id))

    def forget(self, entity_id: str) -> None:
        """Wake an entity no more."""
        self._next.pop(entity_id, None)

    def is_due(self, watermark_ms: int) -> bool:
        """Whether a watermark passes the time of an entity."""
        return bool(self._heap) and self._heap[0][0] <= watermark_ms

    def fire(self, watermark_ms: int) -> list[str]:
        """Entities whose time the watermark has passed, by time; they are to be planned again."""
        woken: list[str] = []
        while self._heap and self._heap[0][0] <= watermark_ms:
            due_ms, entity_id = heappop(self._heap)
            if self._next.get(entity_id) == due_ms:
                del self._next[entity_id]
                woken.append(entity_id)
        return woken

"""Computes again, from the raw events of a user, what the claims of an insight say of them.

It knows what a feature means and nothing of how the product counts it. A user with an event that came late is left out:
what such an event counts for is the product's choice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any, Final

import msgspec
import orjson

from benchmarks.signal.run import Found
from benchmarks.signal.shop import MINUTE_MS
from benchmarks.signal.streams import Stream
from ubi_stream.insights.claims import Claim

_VISIT_GAP_MS: Final = 30 * MINUTE_MS
_CLOSE: Final = 1e-5
"""Relative; features are kept as single-precision numbers in places."""


class _Event(msgspec.Struct, frozen=True, gc=False):
    time_ms: int
    session_id: str | None
    event_type: str
    properties: dict[str, Any]


@dataclass(frozen=True, slots=True)
class History:
    """A user's events up to the one that caused an insight, each once."""

    events: list[_Event]

    @property
    def visit(self) -> list[_Event]:
        """Events of the current visit: those of the newest one's session id, since its last long pause."""
        events = [event for event in self.events if event.session_id == self.events[-1].session_id]
        start = len(events) - 1
        while start > 0 and events[start].time_ms - events[start - 1].time_ms <= _VISIT_GAP_MS:
            start -= 1
        return events[start:]

    def within(self, seconds: int) -> list[_Event]:
        """Events of the newest seconds of the clock, the current one included: a little less than their time."""
        first = self.events[-1].time_ms // 1000 - seconds + 1
        return [event for event in self.events if event.time_ms // 1000 >= first]

    def newest(self, name: str, event_types: Sequence[str] = ()) -> float | None:
        """The newest value of a property, of events of some types."""
        events = [event for event in self.events if not event_types or event.event_type in event_types]
        values = (event.properties.get(name) for event in reversed(events))
        return next((float(value) for value in values if value is not None), None)


_FEATURES: Final[dict[str, Callable[[History], float | None]]] = {
    "events_10s": lambda history: len(history.within(10)),
    "events_60s": lambda history: len(history.within(60)),
    "lifetime_events": lambda history: len(history.events),
    "last_latency_ms": lambda history: history.newest("latency_ms"),
    "last_amount": lambda history: history.newest("price", ("purchase",)),
    "session_depth": lambda history: len(history.visit),
    "session_duration_min": lambda history: (history.visit[-1].time_ms - history.visit[0].time_ms) / MINUTE_MS,
    "session_interests": lambda history: sum(event.event_type == "view" for event in history.visit),
    "session_intents": lambda history: sum(event.event_type == "cart" for event in history.visit),
    "session_conversions": lambda history: sum(event.event_type == "purchase" for event in history.visit),
}


class Oracle:
    """Checks claims against a stream.

    Attributes
    ----------
    checked
        Number of claims that could be computed again.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._positions: dict[bytes, list[int]] = {}
        for position, record in enumerate(stream.records):
            self._positions.setdefault(record.key or b"", []).append(position)
        self.checked = 0

    def wrong(self, found: Found) -> list[tuple[Claim, float]]:
        """Claims of an insight with another value than the events give, and that value."""
        claims = [claim for claim in found.insight.explanation.claims if claim.feature in _FEATURES]
        if not claims or found.is_about_all:
            return []
        history = self._history(found)
        if history is None:
            return []
        wrong = []
        for claim in claims:
            value = _FEATURES[claim.feature](history)
            if claim.value is None or value is None:
                continue
            self.checked += 1
            if not isclose(claim.value, value, rel_tol=_CLOSE, abs_tol=1e-6):
                wrong.append((claim, value))
        return wrong

    def _history(self, found: Found) -> History | None:
        """What the user did until then; None if something came late, or it was another's event that caused it."""
        positions = self._positions.get(found.insight.user_id.encode(), [])
        if found.position not in positions:
            return None
        events: dict[str, _Event] = {}
        newest_ms = 0
        for position in positions:
            if position > found.position:
                break
            record = self._stream.records[position]
            data = orjson.loads(record.value or b"")
            event_id = data.get("event_id", str(position))
            if event_id in events:
                continue
            event = _Event(
                record.time_ms or 0, data.get("session_id"), data["event_type"], data.get("properties") or {}
            )
            if event.time_ms < newest_ms:
                return None
            newest_ms = event.time_ms
            events[event_id] = event
        return History(list(events.values()))

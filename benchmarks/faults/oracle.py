"""What must come out, worked out in plain Python: the standard library, the documents, and nothing of the product.

It reads the log of the events topic as any consumer sees it, and the pack's file. What it says is what `docs/packs.md`
and `docs/dead-letters.md` say, told a second time: so that a mistake of the product's state is not repeated here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from benchmarks.faults.oracle_events import Entry, Happening, read_event
from benchmarks.faults.oracle_rules import DAY_MS, HOUR_MS, MINUTE_MS, EntityRules, Rules

LABEL: Final = "$label"
PANED: Final = (("5m", 5 * MINUTE_MS, 1), ("1h", 5 * MINUTE_MS, 12), ("24h", HOUR_MS, 24), ("7d", DAY_MS, 7))
"""Name, width of a pane, number of panes; and 30 days, which is all that is kept."""
EXACT: Final = (("1d", DAY_MS), ("7d", 7 * DAY_MS), ("30d", 30 * DAY_MS))
MAX_AMOUNT: Final = 1e12


class Window(NamedTuple):
    """One window at an entity's last event: events by type, money in millionths, events that a label called bad."""

    counts: tuple[tuple[str, int], ...]
    micros: int
    bad: int = 0


class Visits(NamedTuple):
    """Ended visits, those with one event, those with a conversion; events of the visit that goes on."""

    ended: int
    bounces: int
    converted: int
    current: int


@dataclass(frozen=True)
class Figures:
    """What is known of one entity at the end. `visits` is None where the broker chose the order of its events."""

    events: int
    labels: int
    conversions: int
    windows: dict[str, Window]
    visits: Visits | None


@dataclass
class Expected:
    """What must come out of a log: figures by kind of entity and id, reason by dead letter, events in all.

    `forgettable` are entities so long silent that their record may be gone.
    """

    figures: dict[str, dict[str, Figures]] = field(default_factory=dict)
    forgettable: dict[str, set[str]] = field(default_factory=dict)
    dead_letters: dict[str, str] = field(default_factory=dict)
    accepted: int = 0
    duplicates: int = 0


@dataclass(slots=True)
class _Kept:
    """An event as an entity's history keeps it."""

    time_ms: int
    type_name: str
    micros: int
    reference: str | None
    bad: bool = False


@dataclass
class _History:
    """All that one entity did, in the order in which it came."""

    rules: Rules
    entity: EntityRules
    kept: list[_Kept] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    labels: int = 0
    last_ms: int = 0
    session: dict[str, Any] = field(default_factory=dict)
    aside: dict[str, Any] = field(default_factory=dict)
    ended: list[dict[str, Any]] = field(default_factory=list)
    ordered: bool = True

    def take(self, happening: Happening) -> bool:
        """Take in an event; False for a duplicate."""
        if self._seen(happening):
            return False
        if happening.event_type == LABEL:
            if self.kept:
                self._label(happening)
                self._remember(happening)
            return True
        if self.kept and happening.time_ms - self.last_ms >= self.rules.retention_ms:
            self.kept, self.ids, self.session, self.aside, self.ended, self.labels = [], {}, {}, {}, [], 0
        roles = self.rules.roles
        amount = as_number(happening.properties.get(roles.get("amount", "")))
        spent = amount is not None and happening.event_type in roles.get("amount_types", ())
        type_name = happening.event_type if happening.event_type in self.rules.types else "other"
        reference = happening.properties.get(roles.get("reference", ""))
        self._visit(happening)
        self.kept.append(
            _Kept(
                happening.time_ms,
                type_name,
                round((amount or 0.0) * 1_000_000) if spent else 0,
                None if reference is None else str(reference),
            )
        )
        self.last_ms = max(self.last_ms, happening.time_ms)
        self._remember(happening)
        return True

    def figures(self) -> Figures:
        """What it comes to."""
        conversions = self.rules.roles.get("conversion_types", ())
        return Figures(
            events=len(self.kept),
            labels=self.labels,
            conversions=sum(event.type_name in conversions for event in self.kept),
            windows=self._exact_windows() if self.entity.exact else self._paned_windows(),
            visits=self._visits() if self.ordered else None,
        )

    def _seen(self, happening: Happening) -> bool:
        seen_ms = self.ids.get(happening.event_id or "")
        return seen_ms is not None and happening.time_ms // 1000 - seen_ms // 1000 <= self.rules.dedup_ms // 1000

    def _remember(self, happening: Happening) -> None:
        if happening.event_id is None:
            return
        self.ids.pop(happening.event_id, None)  # seen again, it is the newest
        self.ids[happening.event_id] = happening.time_ms
        if len(self.ids) > self.rules.dedup_max_ids:
            del self.ids[next(iter(self.ids))]

    def _label(self, happening: Happening) -> None:
        self.labels += 1
        reference = happening.properties.get(self.rules.roles.get("reference", ""))
        bad = happening.properties.get(self.rules.roles.get("outcome", ""))
        if reference is None or not isinstance(bad, bool):
            return
        for event in reversed(self.kept):
            if event.reference == str(reference):
                event.bad = bad
                return

    def _visit(self, happening: Happening) -> None:
        """Its visit: of two session ids that alternate within the gap each has one."""
        now, gap, at_ms, name = self.session, self.rules.session_gap_ms, happening.time_ms, happening.session_id
        if self.aside and at_ms - self.aside["last"] > gap:
            self.ended.append(self.aside)
            self.aside = {}
        switched = bool(now) and None not in (name, now["id"]) and name != now["id"]
        back = self.aside if switched and self.aside and self.aside["id"] == name else {}
        if now and at_ms < (now["start"] if switched and not back else (back or now)["start"] - gap):
            return  # of an earlier visit, which is over
        silent = bool(now) and at_ms - now["last"] > gap
        if switched or silent:
            if back or not silent:
                self.ended += [self.aside] if self.aside and not back else []
                self.aside = now
            else:
                self.ended.append(now)
            now = back or ({"part": now["part"] + 1} if not switched and name is not None else {})
        if "id" not in now:
            now = {"part": now.get("part", 0), "id": None, "start": happening.time_ms, "last": happening.time_ms}
            now |= {"events": 0, "converted": False}
        now["id"] = now["id"] or happening.session_id
        now["start"], now["last"] = min(now["start"], happening.time_ms), max(now["last"], happening.time_ms)
        now["events"] += 1
        now["converted"] |= happening.event_type in self.rules.roles.get("conversion_types", ())
        self.session = now

    def _visits(self) -> Visits:
        first_parts = [visit for visit in self.ended if visit["part"] == 0]
        return Visits(
            ended=len(first_parts),
            bounces=sum(visit["events"] == 1 for visit in first_parts),
            converted=sum(visit["converted"] for visit in self.ended),
            current=self.session.get("events", 0),
        )

    def _paned_windows(self) -> dict[str, Window]:
        return {
            name: total(event for event in self.kept if event.time_ms // width > self.last_ms // width - panes)
            for name, width, panes in (*PANED, ("30d", DAY_MS, 30))
        }

    def _exact_windows(self) -> dict[str, Window]:
        end_ms = self.last_ms - self.entity.delay_ms
        log = sorted(self.kept, key=lambda event: event.time_ms)[-self.entity.max_events :]
        return {
            name: total(event for event in log if end_ms - width < event.time_ms <= end_ms) for name, width in EXACT
        }


def expected(log: Iterable[Entry], rules: Rules) -> Expected:
    """What must come out of the events topic, given partition by partition in the order of offsets."""
    result = Expected()
    histories: dict[str, dict[str, _History]] = {entity.name: {} for entity in rules.entities}
    ways: dict[str, tuple[bool, int]] = {}
    for entry in log:
        happening = read_event(entry, rules)
        if happening is None:
            continue
        if isinstance(happening, str):
            result.dead_letters[entry.position] = happening
            continue
        user = _history(histories, rules, rules.entities[0], happening.user_id)
        # Under a wrong key it is forwarded: of events that come both ways, nobody knows the order.
        way = entry.key == happening.user_id.encode(), entry.partition
        user.ordered &= ways.setdefault(happening.user_id, way) == way
        if not user.take(happening):
            result.duplicates += 1
            continue
        result.accepted += 1
        for entity in rules.entities[1:]:
            if entity.types and happening.event_type not in entity.types:
                continue
            if (entity_id := as_id(happening.properties.get(entity.key or ""))) is not None:
                further = _history(histories, rules, entity, entity_id)
                further.ordered = False
                further.take(happening)
    for name, found in histories.items():
        result.figures[name] = {entity_id: history.figures() for entity_id, history in found.items() if history.kept}
        oldest_ms = max((history.last_ms for history in found.values()), default=0) - rules.retention_ms
        result.forgettable[name] = {entity_id for entity_id, history in found.items() if history.last_ms <= oldest_ms}
    return result


def _history(histories: dict[str, dict[str, _History]], rules: Rules, entity: EntityRules, entity_id: str) -> _History:
    found = histories[entity.name]
    if entity_id not in found:
        found[entity_id] = _History(rules, entity)
    return found[entity_id]


def total(events: Iterable[_Kept]) -> Window:
    """Add events up."""
    counts: dict[str, int] = {}
    micros = bad = 0
    for event in events:
        counts[event.type_name] = counts.get(event.type_name, 0) + 1
        micros += event.micros
        bad += event.bad
    return Window(tuple(sorted(counts.items())), micros, bad)


def as_number(value: object) -> float | None:
    """A property as a number, if it is one within bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) <= MAX_AMOUNT else None


def as_id(value: object) -> str | None:
    """A property as an id, if it is one."""
    if isinstance(value, str) and value:
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None

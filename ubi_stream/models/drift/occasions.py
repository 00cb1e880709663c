"""Occasions on which tracking shows: what users do before and after an event, what is missing, what comes twice.

A user counts once an hour for each event type, so neither a bot nor a heavy user weighs more than others. Hits are what
should be rare: a type that did not come, a property that is missing, an event that comes twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import FloatArray
from ubi_stream.features.event_context import EventContext
from ubi_stream.state.panes import MINUTE_MS

FOLLOW_MS: Final = 3 * MINUTE_MS
"""How long after an event what follows it is waited for."""

REPEAT_MS: Final = 2_000
"""Time within which an event that comes again is a repeat."""

MOST_NAMES: Final = 16
"""Properties of a type that are watched, by when they were first seen."""

_MOST_OPEN: Final = 512
"""Events at a time whose followers are waited for; where there are more, a sample is enough."""

SESSION_ID: Final = "session_id"
"""Watched like a property."""

Masks = NDArray[np.int64]


class Relation(StrEnum):
    """What a watched share is about."""

    AFTER = "after"
    """Users who do one thing soon after another."""
    BEFORE = "before"
    """Users who did one thing in the hours before another."""
    SHARE = "share"
    """A type among all types that users' hours have."""
    MISSING = "missing"
    """Events of a type without one of their properties."""
    REPEAT = "repeat"
    """Users whose event of a type is followed at once by another."""


class Watched(NamedTuple):
    """A watched share: of the type or property `name`, on events of type `given` ("" is any)."""

    relation: Relation
    name: str
    given: str


@dataclass(frozen=True, slots=True)
class TrackedRows:
    """Rows of a batch, n of each: times and watermarks in ms, type indexes from 0, ids, facts, properties, sessions."""

    watermarks_ms: Sequence[int]
    at_ms: Sequence[int]
    types: Sequence[int]
    entities: Sequence[str]
    context: Sequence[EventContext]
    properties: Sequence[Mapping[str, Any]]
    sessions: Sequence[str | None]


class _First(NamedTuple):
    """A user's first event of a type in an hour: which types came before, which known properties are missing."""

    kind: int
    entity: int
    types: int
    missing: int


@dataclass(slots=True)
class _Open:
    """A first event whose followers are waited for until the watermark `due_ms`; `types` came since.

    `repeated` says that the next of its own type came at once.
    """

    kind: int
    due_ms: int
    types: int = 0
    repeated: bool = False


class Counted(NamedTuple):
    """Trials and hits of each column; and of each hit that is one of few, its column and entity."""

    trials: FloatArray
    hits: FloatArray
    columns: NDArray[np.int64]
    entities: NDArray[np.int64]


class Occasions:
    """Collects the occasions of a pane, and counts them by what is watched.

    Attributes
    ----------
    n
        Columns that there may be.
    first_ms
        Time of the first occasion of the open pane, -1 before there is one.
    """

    def __init__(self, types: tuple[str, ...]) -> None:
        self._types = types
        n = len(types)
        self._after, self._before, self._share = 0, n * n, 2 * n * n
        self._missing = self._share + n
        self._repeat = self._missing + n * MOST_NAMES
        self.n = self._repeat + n
        self._names: list[list[str]] = [[SESSION_ID] for _ in types]
        self._new_names: list[dict[str, None]] = [{} for _ in types]
        self._firsts: list[_First] = []
        self._open: dict[int, list[_Open]] = {}
        self._n_open = 0
        self.first_ms = -1

    @property
    def filled(self) -> int:
        """Occasions in the open pane."""
        return len(self._firsts)

    @property
    def relations(self) -> tuple[Relation, ...]:
        """Of each column."""
        n = len(self._types)
        sizes = (
            (Relation.AFTER, n * n),
            (Relation.BEFORE, n * n),
            (Relation.SHARE, n),
            (Relation.MISSING, n * MOST_NAMES),
            (Relation.REPEAT, n),
        )
        return tuple(relation for relation, size in sizes for _ in range(size))

    def watched(self, column: int) -> Watched:
        """What a column is about."""
        types, n = self._types, len(self._types)
        if column < self._share:
            relation = Relation.AFTER if column < self._before else Relation.BEFORE
            given, name = divmod(column % (n * n), n)
            return Watched(relation, types[name], types[given])
        if column < self._missing:
            return Watched(Relation.SHARE, types[column - self._share], "")
        if column < self._repeat:
            given, name = divmod(column - self._missing, MOST_NAMES)
            return Watched(Relation.MISSING, self._names[given][name], types[given])
        name = column - self._repeat
        return Watched(Relation.REPEAT, types[name], types[name])

    def take(self, rows: TrackedRows, row: int) -> None:
        """Take in a row."""
        kind, context = min(rows.types[row], len(self._types) - 1), rows.context[row]
        entity = crc32(rows.entities[row].encode("utf-8", "surrogatepass"))
        if (waiting := self._open.get(entity)) is not None:
            for earlier in waiting:
                earlier.types |= 1 << kind
                if earlier.kind == kind and context.nth == 2:
                    earlier.repeated = 0 <= context.repeat_ms <= REPEAT_MS
        if context.nth != 1:
            return
        if self.first_ms < 0:
            self.first_ms = rows.at_ms[row]
        missing = self._missing_from(kind, rows.properties[row], rows.sessions[row])
        self._firsts.append(_First(kind, entity, context.types, missing))
        if self._n_open < _MOST_OPEN:
            self._n_open += 1
            self._open.setdefault(entity, []).append(_Open(kind, rows.watermarks_ms[row] + FOLLOW_MS))

    def end(self, watermark_ms: int) -> Counted | None:
        """End the pane at a watermark, and begin the next; None where there was nothing to count."""
        closed = self._closed(watermark_ms)
        if not (closed or self._firsts):
            return None
        n, trials, hits = len(self._types), np.zeros(self.n), np.zeros(self.n)
        few: list[tuple[Masks, Masks]] = []
        if closed:
            kinds, entities, types, repeats = np.array(closed, dtype=np.int64).T
            few.append(self._pairs(self._after, kinds, entities, types, trials, hits))
            columns, found = self._repeat + kinds, repeats > 0
            trials[self._repeat :] = np.bincount(kinds, minlength=n)
            hits[self._repeat :] = np.bincount(kinds[found], minlength=n)
            few.append((columns[found], entities[found]))
        if self._firsts:
            kinds, entities, types, missing = np.array(self._firsts, dtype=np.int64).T
            few.append(self._pairs(self._before, kinds, entities, types, trials, hits))
            counts = np.bincount(kinds, minlength=n)
            trials[self._share : self._missing] = len(kinds)
            hits[self._share : self._missing] = len(kinds) - counts
            few.append(self._absent(kinds, entities, missing, counts, trials, hits))
        self._firsts, self.first_ms = [], -1
        self._learn_names()
        return Counted(trials, hits, *(np.concatenate(parts) for parts in zip(*few, strict=True)))

    def _pairs(
        self, base: int, kinds: Masks, entities: Masks, types: Masks, trials: FloatArray, hits: FloatArray
    ) -> tuple[Masks, Masks]:
        """Count, for events of each kind, which other types did not come with them."""
        n = len(self._types)
        did_not = types[:, np.newaxis] >> np.arange(n) & 1 == 0
        did_not[np.arange(len(kinds)), kinds] = False
        row, name = np.nonzero(did_not)
        columns = base + kinds[row] * n + name
        others = np.bincount(kinds, minlength=n)[:, np.newaxis] * (1.0 - np.eye(n))
        trials[base : base + n * n] += others.ravel()
        hits[base : base + n * n] += np.bincount(columns - base, minlength=n * n)
        return columns, entities[row]

    def _absent(
        self, kinds: Masks, entities: Masks, missing: Masks, counts: Masks, trials: FloatArray, hits: FloatArray
    ) -> tuple[Masks, Masks]:
        """Count, for events of each kind, which of its known properties they lack."""
        known = np.array([len(names) for names in self._names])[:, np.newaxis] > np.arange(MOST_NAMES)
        row, name = np.nonzero(missing[:, np.newaxis] >> np.arange(MOST_NAMES) & 1)
        columns = self._missing + kinds[row] * MOST_NAMES + name
        trials[self._missing : self._repeat] = (counts[:, np.newaxis] * known).ravel()
        hits[self._missing : self._repeat] = np.bincount(columns - self._missing, minlength=known.size)
        return columns, entities[row]

    def _missing_from(self, kind: int, properties: Mapping[str, Any], session: str | None) -> int:
        """A bit for each known property of a type that an event lacks; notes those that were not known."""
        missing, names = 0, self._names[kind]
        for place, name in enumerate(names):
            if (session if name == SESSION_ID else properties.get(name)) in (None, ""):
                missing |= 1 << place
        if len(names) < MOST_NAMES:
            for name, value in properties.items():
                if value not in (None, "") and name not in names:
                    self._new_names[kind][name] = None
        return missing

    def _learn_names(self) -> None:
        """Properties that were new in a pane are watched from the next one on."""
        for names, new in zip(self._names, self._new_names, strict=True):
            if new:
                names.extend(list(new)[: MOST_NAMES - len(names)])
                new.clear()

    def _closed(self, watermark_ms: int) -> list[tuple[int, int, int, bool]]:
        """Take out the events whose followers are waited for no longer: kind, entity, what followed, if at once."""
        closed = []
        for entity, waiting in list(self._open.items()):
            if waiting[0].due_ms > watermark_ms:
                continue
            closed += [(one.kind, entity, one.types, one.repeated) for one in waiting if one.due_ms <= watermark_ms]
            rest = [one for one in waiting if one.due_ms > watermark_ms]
            self._n_open -= len(waiting) - len(rest)
            if rest:
                self._open[entity] = rest
            else:
                del self._open[entity]
        return closed

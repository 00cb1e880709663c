"""Watches whether tracking broke: a type that stops, a property that goes missing, an event that is sent twice."""

from __future__ import annotations

from typing import Final

import numpy as np

from ubi_stream.arrays import FloatArray
from ubi_stream.models.drift.metrics import MetricKind, WatchedMetric
from ubi_stream.models.drift.occasions import Counted, Occasions, Relation, TrackedRows, Watched
from ubi_stream.models.drift.verdict import Drift, DriftVerdict
from ubi_stream.packs.candidates import SHARE_TEST
from ubi_stream.rules.shares import ShareTests
from ubi_stream.state.panes import HOUR_MS, MINUTE_MS

PANE_MS: Final = MINUTE_MS // 2
"""Of the watermark, after which what came is judged."""

_MOST_IN_PANE: Final = 500
"""Occasions after which a pane ends too: they are in the snapshot."""

_EVIDENCE: Final = {
    Relation.AFTER: 9.0,
    Relation.BEFORE: 11.5,
    Relation.SHARE: 9.0,
    Relation.MISSING: 9.0,
    Relation.REPEAT: 11.5,
}
"""Nats that make a change: with the slack below, chance alone reaches them about once in a million occasions.

What users did before, and what they do twice, is their habit: several who have another come one after another.
"""

_MIN_ENTITIES: Final = 4
"""Users whose events were hits, where few are: fewer are one who behaves oddly."""

_MOST_KNOWN: Final = 12
"""Users of a column's hits that are kept, to tell whether they are different ones."""

_DIFFERENT: Final = 0.75
"""Share of the hits, up to so many, that must be of different users: each counts once an hour."""

_MISSES: Final = 10.0
"""Times that what stops must have come before."""

_MOST_ACTIVE_MS: Final = 24 * HOUR_MS
"""After that, what broke is how it is now."""

_LEAST: Final = 40.0
"""Trials from which on a share is known."""

_SLACK: Final = {
    Relation.AFTER: 0.25,
    Relation.BEFORE: 0.25,
    Relation.SHARE: 0.35,
    Relation.MISSING: 0.25,
    Relation.REPEAT: 0.5,
}
"""Log-odds that a share may differ between hours: what follows what hardly does, what users do at all does more."""

_LEFT: Final = {
    Relation.AFTER: 0.05,
    Relation.BEFORE: 0.05,
    Relation.SHARE: 0.05,
    Relation.MISSING: 0.1,
    Relation.REPEAT: 0.15,
}
"""Share that is left of what usually comes, where it broke: some producers are old, and some pages have one tag."""

_CERTAIN: Final = {
    Relation.AFTER: 200.0,
    Relation.BEFORE: 200.0,
    Relation.SHARE: 2_000.0,
    Relation.MISSING: 200.0,
    Relation.REPEAT: 200.0,
}
"""Trials after which a share is not taken to be any more certain; a rare type's needs more to be known at all."""

_TOGETHER: Final = 0.25
"""Share of users from which on two types belong together.

The share among all types is watched of rarer types alone. That of a common type falls within each hour: a user's first
event of the hour often is of that type.
"""


class TrackingWatch:
    """Sequential tests of what users' events have to do with each other.

    Results don't depend on how rows come. Memory is fixed.

    Parameters
    ----------
    types
        Names of the event types, that of all others last.
    warm_up_ms
        Event time before anything is told.
    """

    def __init__(self, types: tuple[str, ...], *, warm_up_ms: int) -> None:
        self._warm_up_ms = warm_up_ms
        self.occasions = Occasions(types)
        relations = self.occasions.relations
        self.tests = ShareTests(
            len(relations),
            prior_hits=0.5,
            prior_trials=1.0,
            slack=_by_relation(_SLACK, relations),
            left=_by_relation(_LEFT, relations),
            evidence=_by_relation(_EVIDENCE, relations),
            least=_LEAST,
            misses=_MISSES,
            certain=_by_relation(_CERTAIN, relations),
        )
        self._who: dict[int, list[int]] = {}
        self._first_ms = -1
        self._pane = -1

    def watch(self, rows: TrackedRows) -> dict[int, list[Drift]]:
        """Take in rows; returns what broke, by the position of the row that brings it to light."""
        found: dict[int, list[Drift]] = {}
        for row, watermark_ms in enumerate(rows.watermarks_ms):
            if watermark_ms // PANE_MS > self._pane or self.occasions.filled >= _MOST_IN_PANE:
                if drifts := self._end_pane(watermark_ms):
                    found[row] = drifts
                self._pane = max(self._pane, watermark_ms // PANE_MS)
            self.occasions.take(rows, row)
        return found

    def _end_pane(self, watermark_ms: int) -> list[Drift]:
        if self._first_ms < 0:
            self._first_ms = watermark_ms
        at_ms = self.occasions.first_ms
        counted = self.occasions.end(watermark_ms)
        if counted is None:
            return []
        tests = self.tests
        warm = watermark_ms - self._first_ms >= self._warm_up_ms
        risen = tests.update(counted.trials, counted.hits, at_ms if at_ms >= 0 else watermark_ms, only_learn=not warm)
        self._note_who(counted)
        self._end_those_over(watermark_ms)
        if not risen.any():
            return []
        return self._broken([column for column in np.flatnonzero(risen).tolist() if self._by_enough(column)])

    def _by_enough(self, column: int) -> bool:
        """Whether a share says something of all users, not of one or two.

        Of types that many users have, their pairs do; of rarer ones the share among all types does. Where hits are
        common it takes many users anyway: each counts once an hour.
        """
        relation = self.occasions.watched(column).relation
        if relation not in (Relation.MISSING, Relation.REPEAT):
            is_common = 1.0 - float(self.tests.usual[column]) >= _TOGETHER
            if is_common == (relation is Relation.SHARE):
                return False
        different = min(_MOST_KNOWN, _DIFFERENT * float(self.tests.hits[column]))
        return not self.tests.rare[column] or len(self._who.get(column, ())) >= max(_MIN_ENTITIES, different)

    def _broken(self, columns: list[int]) -> list[Drift]:
        """What broke; what is a consequence of something that did is not told, nor what is told already."""
        tests, occasions = self.tests, self.occasions
        columns.sort(key=lambda column: (-tests.evidence[column], column))
        active = {_subject(occasions.watched(column)).kind for column in np.flatnonzero(tests.active).tolist()}
        drifts: list[Drift] = []
        for column in columns:
            watched = occasions.watched(column)
            subject = _subject(watched)
            if subject.kind not in active:
                others = tuple(
                    dict.fromkeys(
                        other
                        for one in columns
                        if (other := _subject(occasions.watched(one))) != subject and other.kind is subject.kind
                    )
                )
                drifts.append(self._drift(column, watched, subject, others))
                active.add(subject.kind)
            tests.begin(column)
        return drifts

    def _drift(self, column: int, watched: Watched, subject: WatchedMetric, others: tuple[WatchedMetric, ...]) -> Drift:
        tests = self.tests
        usual, now = float(tests.usual[column]), float(tests.hits[column] / tests.trials[column])
        if subject.kind is MetricKind.TYPE:
            usual, now = 1.0 - usual, 1.0 - now
        return Drift(
            subject,
            before=usual,
            after=now,
            since_ms=int(tests.since_ms[column]),
            blocks=0,
            entities=round(float(tests.trials[column])),
            verdict=DriftVerdict.TRACKING_BROKE,
            action="kept",
            detector=SHARE_TEST,
            watched=watched,
            hits=round(float(tests.hits[column])),
            others=others,
        )

    def _note_who(self, counted: Counted) -> None:
        """Keep whose hits the open run of a column has, as far as it must be known."""
        tests = self.tests
        for column in [column for column in self._who if tests.evidence[column] <= 0.0]:
            del self._who[column]
        matters = (tests.rare & ~tests.active & (tests.evidence > 0.0))[counted.columns]
        for column, entity in zip(counted.columns[matters].tolist(), counted.entities[matters].tolist(), strict=True):
            known = self._who.setdefault(column, [])
            if len(known) < _MOST_KNOWN and entity not in known:
                known.append(entity)

    def _end_those_over(self, watermark_ms: int) -> None:
        tests = self.tests
        for column in tests.ended():
            tests.end(column)
        if tests.active.any():
            for column in np.flatnonzero(tests.active & (watermark_ms - tests.since_ms > _MOST_ACTIVE_MS)).tolist():
                tests.end(column, forget=True)


def _subject(watched: Watched) -> WatchedMetric:
    """What broke, if a watched share rose: the same for all shares that rise by the same cause."""
    match watched.relation:
        case Relation.MISSING:
            return WatchedMetric(MetricKind.MISSING, watched.name)
        case Relation.REPEAT:
            return WatchedMetric(MetricKind.REPEAT, watched.name)
        case _:
            return WatchedMetric(MetricKind.TYPE, watched.name)


def _by_relation(by_relation: dict[Relation, float], relations: tuple[Relation, ...]) -> FloatArray:
    return np.array([by_relation[relation] for relation in relations])

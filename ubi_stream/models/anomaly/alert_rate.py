"""Does the rate of alerts itself jump? Then one statement about all of them is worth more than each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.packs.models import PopulationAlert

_BITS: Final = 2**15
"""Of the estimate of distinct entities: within two per cent up to 30,000, in 4 kB."""

_EVIDENCE: Final = 5.0
"""Standard deviations of a normal: one window in three million of independent alerts passes by chance."""

_SETTLED: Final = 25.0
"""Alerts that the asked rate must have made possible, before the threshold is known well enough to judge the rate."""

_OVER: Final = 0.5
"""Share of the factor below which the rate is usual again: not the factor itself, so that it doesn't flicker."""


class DistinctCount:
    """Counts distinct entities in fixed memory, by how many places their hashes leave empty.

    Examples
    --------
    >>> count = DistinctCount()
    >>> [count.add(key * 2654435761) for key in (1, 2, 1)], count.value
    ([True, True, False], 2)

    References
    ----------
    K.-Y. Whang, B. Vander-Zanden, H. Taylor: A linear-time probabilistic counting algorithm. ACM TODS 15, 1990.
    """

    def __init__(self) -> None:
        self._bits = bytearray(_BITS // 8)
        self._set = 0

    def add(self, key: int) -> bool:
        """Count an entity by its 64-bit hash; False if it (or one that shares its place) was counted before."""
        byte, bit = divmod(key % _BITS, 8)
        if self._bits[byte] >> bit & 1:
            return False
        self._bits[byte] |= 1 << bit
        self._set += 1
        return True

    @property
    def value(self) -> int:
        """How many there are, about."""
        return round(-_BITS * log(max(1.0 - self._set / _BITS, 0.5 / _BITS)))


@dataclass(slots=True)
class _Pane:
    """Half a window of the watermark's time."""

    number: int = -1
    rows: int = 0
    entities: DistinctCount = field(default_factory=DistinctCount)
    leads: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Wave:
    """A jump of the alert rate, as it begins or when it is over.

    Attributes
    ----------
    begins
        Whether it begins here.
    since_ms
        Watermark when it began.
    entities, rows
        As it begins: that alerted, and that were judged, in the window. When it is over: entities whose alerts were
        held back, and all rows judged meanwhile.
    held
        Alerts that were held back.
    asked
        Share of the rows that the pack asks for.
    leads
        For each leading feature the share of the alerting entities, most frequent first.
    """

    begins: bool
    since_ms: int
    entities: int
    rows: int
    held: int
    asked: float
    leads: tuple[tuple[str, float], ...]

    @property
    def factor(self) -> float:
        """How many times as often as asked."""
        return self.entities / (self.asked * self.rows) if self.rows else 0.0


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """Rows of a batch, in order, as the alarm sees them.

    Attributes
    ----------
    watermarks_ms
        Of each row; they never go back.
    judged
        Whether the row could have alerted, shape (n,).
    alerts
        Position, hash of the entity and leading feature of each alert, in order.
    """

    watermarks_ms: Sequence[int]
    judged: NDArray[np.bool_]
    alerts: Sequence[tuple[int, int, str]]


class AlertRate:
    """Watches how many entities alert in a window of event time, against what the pack asks for.

    An entity counts once in half a window, however often it alerts: one that runs wild is no wave. Windows follow the
    partition's watermark, so everything here is a function of the stream.

    Parameters
    ----------
    config
        When a rate is a jump.
    asked
        Share of the rows that should alert.
    """

    def __init__(self, config: PopulationAlert, asked: float) -> None:
        self._factor = config.factor
        self._min_entities = config.min_entities
        self._asked = asked
        self._half_ms = max(round(config.window_min * 30_000), 1)
        self._now, self._before = _Pane(), _Pane()
        self._judged = 0
        self.active = False
        self._since_ms = 0
        self._held = 0
        self._rows = 0
        self._entities = DistinctCount()
        self._leads: Counter[str] = Counter()

    def watch(self, seen: ScoredRows) -> tuple[dict[int, Wave], set[int]]:
        """Take in rows.

        Returns
        -------
        Waves that begin or end, by the position of the row that shows it; and positions of the alerts held back.
        """
        if not seen.alerts and seen.watermarks_ms[-1] // self._half_ms <= self._now.number:
            self._count(int(np.count_nonzero(seen.judged)))  # as nearly always
            return {}, set()
        panes = np.array(seen.watermarks_ms, dtype=np.int64) // self._half_ms
        turns = np.flatnonzero(np.diff(panes, prepend=self._now.number))
        judged = np.concatenate(([0], np.cumsum(seen.judged)))
        waves: dict[int, Wave] = {}
        held: set[int] = set()
        done = 0
        steps = sorted([(int(row), -1) for row in turns] + [(alert[0], i) for i, alert in enumerate(seen.alerts)])
        for row, alert in steps:
            upto = row if alert < 0 else row + 1
            self._count(int(judged[upto] - judged[done]))
            done = upto
            at_ms = seen.watermarks_ms[row]
            if alert < 0:
                if self._turn(int(panes[row])):
                    waves[row] = self._end()
            elif self._alert(seen.alerts[alert], at_ms):
                waves[row] = self._wave(begins=True)
            elif self.active:
                held.add(row)
        self._count(int(judged[-1] - judged[done]))
        return waves, held

    def _count(self, rows: int) -> None:
        self._now.rows += rows
        self._judged += rows
        self._rows += rows if self.active else 0

    def _turn(self, pane: int) -> bool:
        """Begin a pane; True if the wave is over with the one before."""
        if pane < self._now.number:
            return False
        usual = _OVER * self._factor * self._asked * self._now.rows
        calm = self._now.entities.value <= usual or pane > self._now.number + 1
        self._before = self._now if pane == self._now.number + 1 else _Pane()
        self._now = _Pane(pane)
        return self.active and calm

    def _alert(self, alert: tuple[int, int, str], at_ms: int) -> bool:
        """Take in an alert; True if a wave begins with it."""
        _, entity, lead = alert
        if self._now.entities.add(entity):
            self._now.leads[lead] += 1
        if self.active:
            self._held += 1
            if self._entities.add(entity):
                self._leads[lead] += 1
            return False
        if not self._jumps():
            return False
        self.active, self._since_ms = True, at_ms
        self._held = self._rows = 0
        self._entities, self._leads = DistinctCount(), Counter()
        return True

    def _jumps(self) -> bool:
        entities = self._before.entities.value + self._now.entities.value
        expected = self._asked * (self._before.rows + self._now.rows)
        if entities < self._min_entities or self._judged * self._asked < _SETTLED:
            return False
        if entities <= self._factor * expected:
            return False
        evidence = entities * log(entities / expected) - (entities - expected) if expected else float("inf")
        return sqrt(2.0 * evidence) >= _EVIDENCE

    def _end(self) -> Wave:
        wave = self._wave(begins=False)
        self.active = False
        return wave

    def _wave(self, *, begins: bool) -> Wave:
        if begins:
            entities = self._before.entities.value + self._now.entities.value
            rows, leads = self._before.rows + self._now.rows, self._before.leads + self._now.leads
        else:
            entities, rows, leads = self._entities.value, self._rows, self._leads
        ordered = sorted(leads.items(), key=lambda item: (-item[1], item[0]))
        shares = tuple((name, count / max(leads.total(), 1)) for name, count in ordered)
        return Wave(begins, self._since_ms, entities, rows, self._held, self._asked, shares)

"""Do many users meet a rule at once? Then one statement about all of them is worth more than each.

A rule is about what happens to a user at an event (the checkout took long). Of the users to whom it could have happened
so many meet the rule. That share is tested, not a number of users: a few checkouts an hour are enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np

from ubi_stream.rules.shares import ShareTests
from ubi_stream.state.panes import HOUR_MS, MINUTE_MS

_EVIDENCE: Final = 6.2
"""Nats that make a wave: three users in a row, where one in a hundred usually meets the rule."""

_MIN_ENTITIES: Final = 3
"""Users who meet it: the evidence decides, but never that of one or two."""

FAR: Final = 1.5
"""Times its threshold, beyond which a rule is met by far."""

_EVIDENCE_BY_FAR: Final = 7.5
"""Nats that make a wave of users who meet the rule by far: two in a row, where one in three hundred usually does."""

_MIN_ENTITIES_BY_FAR: Final = 2
"""Users who meet it by far: chance brings two in a row only where that is common."""

_CERTAIN, _CERTAIN_BY_FAR = 100.0, 400.0
"""Users after which the usual share is not taken to be any more certain; a rare one needs more to be known."""

_LEFT: Final = 0.4
"""Share of those who usually don't meet the rule that are left in a wave."""

_SLACK: Final = 0.5
"""Log-odds that a share may differ between hours: more than half again as many are ordinary."""

_PRIOR_TRIALS: Final = 10.0
_PRIOR_TRIALS_OF_AN_HOUR: Final = 1.0
"""Of an hour of the day the pack knows little: at night nearly all are awake at night."""
_LEAST: Final = 30.0
"""Users from which on the usual share is known."""

_HOURS: Final = 24

_AGAIN_MS: Final = HOUR_MS
"""Time in which a user counts once."""

_MOST: Final = 256
"""Newest users of a rule that are kept."""

_LONGEST_MS: Final = 24 * HOUR_MS
"""After that, what a wave brought is usual."""

_SILENT_MS: Final = 60 * MINUTE_MS
"""A wave in which nobody meets the rule for so long is over."""


class RuleExposure(NamedTuple):
    """A row at which a rule could be met: position of row and rule, whose, when, if it is met, by how much, if far."""

    row: int
    rule: int
    entity: str
    at_ms: int
    met: bool
    value: float
    far: bool = False


@dataclass(frozen=True, slots=True)
class RuleWave:
    """Many users who meet a rule at once, as it begins or when it is over.

    Attributes
    ----------
    rule
        Its name.
    begins
        Whether it begins here.
    since_ms, until_ms
        Event time of the first user of the wave, and of the newest who met the rule.
    met, entities
        Users who met the rule since then, and all to whom it could have happened.
    usual
        Usual share of those who meet it.
    value
        Median of what they met it by; NaN when it is over.
    held
        Alerts about single users that were held back.
    """

    rule: str
    begins: bool
    since_ms: int
    until_ms: int
    met: int
    entities: int
    usual: float
    value: float
    held: int

    @property
    def share(self) -> float:
        """Share of the users who met the rule."""
        return self.met / self.entities


class _Seen(NamedTuple):
    at_ms: int
    met: bool
    value: float


class RuleWaves:
    """Watches the share of users who meet each of some rules.

    Parameters
    ----------
    names
        Of the rules.
    usual
        Share of users who are expected to meet each.
    hourly
        Whether the usual share of each is that of the same hour of the day (UTC): it then takes 24 columns of tests.
        The others take one, and one for those who meet the rule by far: fewer of them are enough.
    silent_ms, longest_ms
        A wave in which nobody meets the rule for so long is over; what lasts longer is usual from then on.
    """

    def __init__(
        self,
        names: Sequence[str],
        usual: Sequence[float],
        hourly: Sequence[bool],
        *,
        silent_ms: int = _SILENT_MS,
        longest_ms: int = _LONGEST_MS,
    ) -> None:
        self.names = tuple(names)
        self._silent_ms, self._longest_ms = silent_ms, longest_ms
        widths = [_HOURS if by_hour else 1 for by_hour in hourly]
        self._first = np.cumsum([0, *widths[:-1]]).tolist()
        self._hourly = tuple(hourly)
        self._columns = [column for column, width in enumerate(widths) for _ in range(width)]  # rule of each column
        by_far = [rule for rule, by_hour in enumerate(hourly) if not by_hour]
        self._far = {rule: len(self._columns) + place for place, rule in enumerate(by_far)}
        is_far = np.repeat([False, True], [len(self._columns), len(by_far)])
        self._columns += by_far
        trials = np.array([_PRIOR_TRIALS_OF_AN_HOUR if hourly[rule] else _PRIOR_TRIALS for rule in self._columns])
        shares = np.array([usual[rule] for rule in self._columns], dtype=np.float64)
        self._tests = ShareTests(
            len(self._columns),
            prior_hits=trials * shares * np.where(is_far, FAR**-3, 1.0),
            prior_trials=trials,
            slack=_SLACK,
            left=_LEFT,
            evidence=np.where(is_far, _EVIDENCE_BY_FAR, _EVIDENCE),
            least=_LEAST,
            certain=np.where(is_far, _CERTAIN_BY_FAR, _CERTAIN),
        )
        self._recent: list[dict[int, _Seen]] = [{} for _ in self.names]  # by user, the oldest first
        self._wave_column: list[int | None] = [None] * len(self.names)
        self._held = [0] * len(self.names)
        self._until_ms = [0] * len(self.names)

    @property
    def active(self) -> tuple[str, ...]:
        """Rules that many users meet now."""
        return tuple(name for name, column in zip(self.names, self._wave_column, strict=True) if column is not None)

    def watch(self, exposures: Iterable[RuleExposure]) -> tuple[dict[int, list[RuleWave]], set[tuple[int, int]]]:
        """Take in exposures, in order.

        Returns
        -------
        Waves that begin or are over, by row; and row and rule of what is held back, because a wave tells it.
        """
        waves: dict[int, list[RuleWave]] = {}
        held: set[tuple[int, int]] = set()
        for one in exposures:
            if self._counts(one):
                waves.setdefault(one.row, []).extend(self._test(one))
            if one.met and self._wave_column[one.rule] is not None:
                self._until_ms[one.rule] = max(self._until_ms[one.rule], one.at_ms)
                self._held[one.rule] += 1
                held.add((one.row, one.rule))
        return {row: found for row, found in waves.items() if found}, held

    def _counts(self, one: RuleExposure) -> bool:
        """Whether the user was not seen within the hour; then note them."""
        recent, entity = self._recent[one.rule], crc32(one.entity.encode("utf-8", "surrogatepass"))
        while recent and next(iter(recent.values())).at_ms <= one.at_ms - _AGAIN_MS:
            del recent[next(iter(recent))]
        if entity in recent:
            return False
        if len(recent) == _MOST:
            del recent[next(iter(recent))]
        recent[entity] = _Seen(one.at_ms, one.met, one.value)
        return True

    def _test(self, one: RuleExposure) -> list[RuleWave]:
        tests, rule, column = self._tests, one.rule, self._column(one)
        far = self._far.get(rule)
        trials, hits = np.zeros(len(self._columns)), np.zeros(len(self._columns))
        trials[column], hits[column] = 1.0, float(one.met)
        if far is not None:
            trials[far], hits[far] = 1.0, float(one.far)
        risen = tests.update(trials, hits, one.at_ms)
        if self._wave_column[rule] is None:
            is_risen = risen[column] and tests.hits[column] >= _MIN_ENTITIES
            if far is not None and risen[far] and tests.hits[far] >= _MIN_ENTITIES_BY_FAR:
                is_risen = True  # the account is that of all who meet the rule
            if not is_risen:
                return []
            tests.begin(column)
            if far is not None:
                tests.begin(far)
            self._wave_column[rule] = column
            self._held[rule], self._until_ms[rule] = 0, one.at_ms
            return [self._wave(rule, column, begins=True)]
        is_long = one.at_ms - int(tests.since_ms[column]) > self._longest_ms
        if not (is_long or column in tests.ended() or one.at_ms - self._until_ms[rule] > self._silent_ms):
            return []
        wave = self._wave(rule, column, begins=False)
        tests.end(column, forget=is_long)
        if far is not None:
            tests.end(far, forget=is_long)
        self._wave_column[rule] = None
        return [wave]

    def _column(self, one: RuleExposure) -> int:
        """The column of tests: that of the wave while there is one, whatever the hour."""
        column = self._wave_column[one.rule]
        if column is not None:
            return column
        first: int = self._first[one.rule]
        return first + one.at_ms // HOUR_MS % _HOURS if self._hourly[one.rule] else first

    def _wave(self, rule: int, column: int, *, begins: bool) -> RuleWave:
        tests, since_ms = self._tests, int(self._tests.since_ms[column])
        values = [seen.value for seen in self._recent[rule].values() if seen.met and seen.at_ms >= since_ms]
        return RuleWave(
            self.names[rule],
            begins,
            since_ms,
            self._until_ms[rule],
            round(float(tests.hits[column])),
            round(float(tests.trials[column])),
            float(tests.usual[column]),
            median(values) if values else float("nan"),
            self._held[rule],
        )

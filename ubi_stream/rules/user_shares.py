"""How common it is to meet a rule, and to go as far past its threshold."""

from __future__ import annotations

from math import floor, log, sqrt
from typing import Final

import msgspec

from ubi_stream.packs.segments import Condition, RiskRule

PRIOR_USER_DAYS: Final = 200.0
"""What the pack expects counts as much as so many days of users."""
FADING_USER_DAYS: Final = 5000.0
"""Days of users after which a third is left of what was counted: what is common may change."""
STEP: Final = 1.25
"""Factor between two steps past a threshold: 30, 37.5, 47, 59, 73 minutes."""
STEPS: Final = 9
"""Steps that are told apart; the last one is that of everything beyond six times the threshold."""
RARER_BY_STEP: Final = STEP**-3
"""What the pack expects of the next step: twice as far is an eighth as common, as in many heavy-tailed figures."""

ORDINARY_BY_STEP: Final = 1.5
"""It takes so many times the users at each step further until it is ordinary: how far one goes is evidence too."""


def steps_past(condition: Condition, value: float) -> int:
    """Number of steps that a value which meets a condition is past its threshold, from 0.

    >>> [steps_past(Condition(feature="session_duration_min", op=">", value=30), minutes) for minutes in (31, 40, 900)]
    [0, 1, 8]
    """
    bound = condition.value
    if bound <= 0.0 or condition.op in ("==", "!="):
        return 0
    times = value / bound if condition.op in (">", ">=") else bound / max(value, bound / 1e3)
    return min(max(floor(log(max(times, 1.0)) / log(STEP)), 0), STEPS - 1)


class RuleShares(msgspec.Struct):
    """How many users a day go how far past a rule's threshold, in a partition; older days of users fade.

    Attributes
    ----------
    users
        Days of users: each user counts once a day.
    reached
        By way of a rule, for each step the days of users on which the user went as far or further.
    """

    users: float = 0.0
    reached: dict[str, list[float]] = {}

    def add_user(self) -> None:
        """Count the first event of a user on a day."""
        keep = 1.0 - 1.0 / FADING_USER_DAYS
        self.users = self.users * keep + 1.0
        for counts in self.reached.values():
            for step, count in enumerate(counts):
                counts[step] = count * keep

    def add_reached(self, way: str, first: int, last: int) -> None:
        """Count a user who reached the steps from `first` to `last` for the first time on a day."""
        counts = self.reached.setdefault(way, [0.0] * STEPS)
        for step in range(first, last + 1):
            counts[step] += 1.0

    def share(self, rule: RiskRule, way: int, step: int) -> float:
        """Share of a day's users that go as far, in [0, 1]."""
        return min(1.0, (self._counted(rule, way, step) + _expected(rule, step)) / (self.users + PRIOR_USER_DAYS))

    def is_common(self, rule: RiskRule, way: int, step: int) -> bool:
        """Whether more go as far than is ordinary there, by a deviation at least: not a few by chance."""
        counted = self._counted(rule, way, step)
        likely = counted - sqrt(counted) + _expected(rule, step)
        return likely > ordinary_share(rule, step) * (self.users + PRIOR_USER_DAYS)

    def _counted(self, rule: RiskRule, way: int, step: int) -> float:
        counts = self.reached.get(way_name(rule, way))
        return 0.0 if counts is None else counts[step]


def ordinary_share(rule: RiskRule, step: int) -> float:
    """Share of a day's users above which it is common to go as far."""
    return float(rule.common_above * ORDINARY_BY_STEP**step)


def way_name(rule: RiskRule, way: int) -> str:
    """Name of a way to meet a rule."""
    return f"{rule.name}/{rule.any_of[way].name}" if rule.any_of else rule.name


def _expected(rule: RiskRule, step: int) -> float:
    return float(rule.usual_share * PRIOR_USER_DAYS * RARER_BY_STEP**step)

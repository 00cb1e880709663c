"""Rules of the pack: who meets them, how common that is, and whether it is usual for the user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Final

import msgspec
import numpy as np

from ubi_stream.features.event_context import EventContext
from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import NO_ROW, Featurized
from ubi_stream.packs.plan import DAY_MS, Plan
from ubi_stream.packs.segments import Rule
from ubi_stream.rules.conditions import Checks, Conditions
from ubi_stream.state.risks import days_of_habit, note_day, note_rule
from ubi_stream.state.stage import StateChange

PRIOR_USER_DAYS: Final = 200.0
"""What the pack expects counts as much as so many days of users."""
FADING_USER_DAYS: Final = 5000.0
"""Days of users after which a third is left of what was counted: what is common may change."""


class RuleShares(msgspec.Struct):
    """How common each rule is in a partition; older days of users fade.

    Attributes
    ----------
    users
        Days of users: each user counts once a day.
    met
        By rule, those on which the user met it.
    """

    users: float = 0.0
    met: dict[str, float] = {}

    def add_user(self) -> None:
        """Count the first event of a user on a day."""
        keep = 1.0 - 1.0 / FADING_USER_DAYS
        self.users = self.users * keep + 1.0
        for name in self.met:
            self.met[name] *= keep

    def add_met(self, name: str) -> None:
        """Count a user who meets the rule for the first time on a day."""
        self.met[name] = self.met.get(name, 0.0) + 1.0

    def of(self, rule: Rule) -> float:
        """Share of a day's users that meet the rule, in [0, 1]."""
        return min(1.0, self._met(rule) / (self.users + PRIOR_USER_DAYS))

    def is_common(self, rule: Rule) -> bool:
        """Whether more meet the rule than the pack's `common_above`, by a deviation at least: not a few by chance."""
        met = self._met(rule)
        return met - sqrt(met) > rule.common_above * (self.users + PRIOR_USER_DAYS)

    def _met(self, rule: Rule) -> float:
        return self.met.get(rule.name, 0.0) + rule.usual_share * PRIOR_USER_DAYS


@dataclass(frozen=True, slots=True)
class Met:
    """A rule that is met at a row.

    Attributes
    ----------
    rule, way
        Positions of the rule, and of the way in which it is met.
    common_share, is_common
        Share of a day's users that meet it, and whether that makes it common.
    peers_known
        Whether enough users were seen to say what is typical of them.
    habit_days
        Earlier days on which the user met it, where that is usual for the user; else 0.
    """

    rule: int
    way: int
    common_share: float
    is_common: bool
    peers_known: bool
    habit_days: int


@dataclass(slots=True)
class Assessed:
    """Rules of a batch: by row, those that are met; and the rows that one rule explains on its own."""

    met: dict[int, list[Met]] = field(default_factory=dict)
    explained: set[int] = field(default_factory=set)


class Rules:
    """Checks the pack's rules, and notes in each entity's state which it meets."""

    def __init__(self, plan: Plan, features: Sequence[Feature], shares: RuleShares) -> None:
        self.rules = plan.pack.rules if plan.entity.key is None else ()
        self.conditions = tuple(tuple(Conditions(way, features) for way in rule.ways) for rule in self.rules)
        self._ways = [(rule, way) for rule, ways in enumerate(self.conditions) for way in range(len(ways))]
        self._checks = Checks([one for ways in self.conditions for one in ways]) if self.rules else None
        self._alone = tuple(rule.name for rule in self.rules if rule.alone)
        self._plan = plan
        self._shares = shares

    def assess(self, batch: Featurized) -> Assessed:
        """Find the rules that are met at each row.

        What an entity meets is a function of its own events, so it is kept in its state. How common that is depends on
        the others': it is counted for new events alone.
        """
        assessed = Assessed()
        if self._checks is None:
            return assessed
        holding: dict[int, dict[int, int]] = {}
        for row, position in np.argwhere(self._checks.hold(batch.checked)).tolist():
            rule, way = self._ways[position]
            holding.setdefault(row, {}).setdefault(rule, way)  # the first way is named
        for change, row in zip(batch.changes, batch.rows, strict=True):
            if row == NO_ROW:
                continue
            known = batch.context[row]
            if note_day(change.state, known.day) and change.new:
                self._shares.add_user()
            if row in holding:
                assessed.met[row] = [self._met(change, known, rule, way) for rule, way in holding[row].items()]
            if change.state.rules and self._is_explained(change, known.visit):
                assessed.explained.add(row)
        return assessed

    def _met(self, change: StateChange, known: EventContext, position: int, way: int) -> Met:
        rule = self.rules[position]
        if note_rule(change.state, rule.name, change.at_ms, known.day, known.visit, self._plan) and change.new:
            self._shares.add_met(rule.name)
        habit_days = days_of_habit(change.state, rule.name) if rule.habit else 0
        shares = self._shares
        peers_known = shares.users >= PRIOR_USER_DAYS
        return Met(position, way, shares.of(rule), shares.is_common(rule), peers_known, habit_days)

    def _is_explained(self, change: StateChange, visit: int) -> bool:
        met = (change.state.rules.get(name) for name in self._alone)
        return any(one is not None and (one.visit == visit or change.at_ms - one.last_ms <= DAY_MS) for one in met)

"""Rules of the pack: who meets them, how common that is, and whether it is usual for the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ubi_stream.features.event_context import EventContext
from ubi_stream.features.registry import HOUR_OF_DAY, Feature
from ubi_stream.features.stage import NO_ROW, Featurized, Matrix
from ubi_stream.packs.plan import DAY_MS, Plan
from ubi_stream.rules.conditions import Checks, Conditions
from ubi_stream.rules.user_shares import PRIOR_USER_DAYS, RuleShares, ordinary_share, steps_past, way_name
from ubi_stream.state.risks import HABIT_DAYS, HABIT_SHARE, days_before, note_day, note_rule, note_step
from ubi_stream.state.stage import StateChange

UNUSUAL_FOR_USER: Final = 0.005
"""Chance that a user meets a rule on a day, below which it is unusual for this user: one day in two hundred."""


@dataclass(frozen=True, slots=True)
class Met:
    """A rule that is met at a row.

    Attributes
    ----------
    rule, way
        Positions of the rule, and of the way in which it is met.
    common_share, is_common, ordinary_share
        Share of a day's users that go as far past the threshold, whether that makes it common, and above which it does.
    peers_known
        Whether enough users were seen to say what is typical of them.
    habit_days
        Earlier days on which the user met it, where that is usual for the user; else 0.
    never_days
        Earlier days with events of a user who never met it, where that makes it unusual for the user; else 0.
    """

    rule: int
    way: int
    common_share: float
    is_common: bool
    ordinary_share: float
    peers_known: bool
    habit_days: int
    never_days: int


@dataclass(slots=True)
class Assessed:
    """Rules of a batch: by row, those that are met; and the rows that one rule explains on its own."""

    met: dict[int, list[Met]] = field(default_factory=dict)
    explained: set[int] = field(default_factory=set)


class Rules:
    """Checks the pack's rules, and notes in each entity's state which it meets."""

    def __init__(self, plan: Plan, features: Sequence[Feature], shares: RuleShares) -> None:
        self.rules = plan.parts.rules
        self.conditions = tuple(tuple(Conditions(way, features) for way in rule.ways) for rule in self.rules)
        self._ways = [(rule, way) for rule, ways in enumerate(self.conditions) for way in range(len(ways))]
        self._checks = Checks([one for ways in self.conditions for one in ways]) if self.rules else None
        self._alone = tuple(rule.name for rule in self.rules if rule.alone)
        self._hours = frozenset(column for column, feature in enumerate(features) if feature.unit == HOUR_OF_DAY)
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
        holding: dict[int, dict[int, list[int]]] = {}
        for row, position in np.argwhere(self._checks.hold(batch.checked)).tolist():
            rule, way = self._ways[position]
            holding.setdefault(row, {}).setdefault(rule, []).append(way)
        for change, row in zip(batch.changes, batch.rows, strict=True):
            if row == NO_ROW:
                continue
            known = batch.context[row]
            if note_day(change.state, known.day) and change.new:
                self._shares.add_user()
            if row in holding:
                values = batch.checked[row]
                assessed.met[row] = [
                    self._met(change, known, rule, self._steps(rule, ways, values))
                    for rule, ways in holding[row].items()
                ]
            if change.state.rules and self._is_explained(change, known.visit):
                assessed.explained.add(row)
        return assessed

    def _steps(self, rule: int, ways: Sequence[int], values: Matrix) -> dict[int, int]:
        """By way that holds, how far past its threshold the value of its leading condition is.

        A time of day is not further past a threshold at another hour.
        """
        place = self.rules[rule].leading
        found = ((way, self.conditions[rule][way]) for way in ways)
        return {
            way: steps_past(one.items[place], values.item(column)) if column not in self._hours else 0
            for way, one in found
            for column in (one.columns[place],)
        }

    def _met(self, change: StateChange, known: EventContext, position: int, steps: Mapping[int, int]) -> Met:
        """The first way in which a rule is met and that is not common; else the first of all."""
        rule, state, shares = self.rules[position], change.state, self._shares
        note_rule(state, rule.name, change.at_ms, known.day, known.visit, self._plan)
        for way, step in steps.items():
            before = note_step(state, rule.name, known.day, way, step)
            if change.new and before < step:
                shares.add_reached(way_name(rule, way), before + 1, step)
        common = {way: shares.is_common(rule, way, step) for way, step in steps.items()}
        way = next((way for way, is_common in common.items() if not is_common), min(steps))
        share = shares.share(rule, way, steps[way])
        met_days, active_days = days_before(state, rule.name)
        is_habit = met_days >= HABIT_DAYS and met_days >= HABIT_SHARE * active_days
        is_unusual = not met_days and active_days >= HABIT_DAYS and share / (1 + active_days) <= UNUSUAL_FOR_USER
        return Met(
            rule=position,
            way=way,
            common_share=share,
            is_common=common[way],
            ordinary_share=ordinary_share(rule, steps[way]),
            peers_known=shares.users >= PRIOR_USER_DAYS,
            habit_days=met_days if rule.habit and is_habit else 0,
            never_days=active_days if rule.habit and is_unusual else 0,
        )

    def _is_explained(self, change: StateChange, visit: int) -> bool:
        met = (change.state.rules.get(name) for name in self._alone)
        return any(one is not None and (one.visit == visit or change.at_ms - one.last_ms <= DAY_MS) for one in met)

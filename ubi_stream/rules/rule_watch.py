"""Feeds the rows of a batch to the waves of a pack's rules."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import Matrix
from ubi_stream.packs.segments import Condition, RiskRule
from ubi_stream.rules.conditions import Checks, Conditions
from ubi_stream.rules.waves import FAR, RuleExposure, RuleWave, RuleWaves
from ubi_stream.state.stage import StateChange


class RuleWatch:
    """Feeds the rows of a batch to the waves of those rules that have a sentence for many.

    A rule could be met where the feature of its first condition has a value. Conditions of which one must hold besides
    don't count: they say more of a user than of what happens to all.

    Attributes
    ----------
    waves
        The waves themselves.
    """

    def __init__(self, rules: Sequence[RiskRule], features: Sequence[Feature]) -> None:
        places = [place for place, rule in enumerate(rules) if rule.together]
        self._places = places
        conditions = [Conditions(rules[place].when, features) for place in places]
        self._checks = Checks(conditions) if conditions else None
        self._columns = [one.columns[0] for one in conditions]
        bounds = [_far_bounds(one.items[0]) for one in conditions]
        self._far_below, self._far_above = np.array(bounds).reshape(-1, 2).T
        self.waves = RuleWaves(
            [rules[place].name for place in places],
            [rules[place].usual_share for place in places],
            [rules[place].together_by == "hour" for place in places],
        )

    def run(
        self, values: Matrix, changes: Sequence[StateChange], first: int
    ) -> tuple[dict[int, list[RuleWave]], set[tuple[int, int]]]:
        """Take in the rows of a batch from `first` on.

        Parameters
        ----------
        values
            Features of the rules, shape (rows, features).
        changes
            Those that have a row, in order.

        Returns
        -------
        Waves by row; and row and position (among all rules) of what is held back.
        """
        if self._checks is None:
            return {}, set()
        met = self._checks.hold(values[first:])
        shown = values[first:, self._columns]
        far = met & ((shown <= self._far_below) | (shown >= self._far_above))
        waves, held = self.waves.watch(
            RuleExposure(
                row + first,
                rule,
                changes[row + first].entity_id,
                changes[row + first].at_ms,
                bool(met[row, rule]),
                float(shown[row, rule]),
                bool(far[row, rule]),
            )
            for row, rule in np.argwhere(~np.isnan(shown)).tolist()
        )
        return waves, {(row, self._places[rule]) for row, rule in held}


def _far_bounds(condition: Condition) -> tuple[float, float]:
    """Values up to the first bound, and from the second on, meet a condition by far; infinite where none does."""
    if condition.value > 0.0 and condition.op.startswith(">"):
        return -inf, FAR * condition.value
    if condition.value > 0.0 and condition.op.startswith("<"):
        return condition.value / FAR, inf
    return -inf, inf

"""Do many users change their habits at once? A sale, a holiday, a price list: one statement about all is enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import nan
from typing import Final

from ubi_stream.features.stage import Featurized
from ubi_stream.models.rate_change import HabitChange
from ubi_stream.rules.waves import RuleExposure, RuleWave, RuleWaves
from ubi_stream.state.panes import DAY_MS

DIRECTIONS: Final = ("up", "down")

_USUAL: Final = 0.01
"""Share of the users looked at on a day whose habits changed in one direction, before anything is learned."""
_SILENT_MS: Final = 2 * DAY_MS
_LONGEST_MS: Final = 28 * DAY_MS
"""As long as weeks are compared with those before."""


class ChangeWatch:
    """Watches which share of the users whose days are looked at has changed, in each direction."""

    def __init__(self) -> None:
        n = len(DIRECTIONS)
        self._waves = RuleWaves(DIRECTIONS, [_USUAL] * n, [False] * n, silent_ms=_SILENT_MS, longest_ms=_LONGEST_MS)

    def run(
        self, batch: Featurized, changes: Mapping[int, HabitChange]
    ) -> tuple[dict[int, list[RuleWave]], dict[int, HabitChange]]:
        """Take in the users whose days a batch looked at, and what changed for them, by position of the moment.

        Returns
        -------
        Waves by position; and the changes, with those held back that a wave tells.
        """
        exposures = [
            RuleExposure(
                position,
                number,
                batch.changes[position].entity_id,
                batch.changes[position].at_ms,
                met=(change := changes.get(position)) is not None and change.direction == direction,
                value=nan if change is None else change.factor,
            )
            for position in sorted(batch.histories)
            for number, direction in enumerate(DIRECTIONS)
        ]
        waves, held = self._waves.watch(exposures)
        positions = {position for position, _ in held}
        return waves, {position: replace(change, held=position in positions) for position, change in changes.items()}

"""Has a model become worse? ADWIN over the losses of what it said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from river.drift import ADWIN

from ubi_stream.models.drift.river_detector import MetricWatch
from ubi_stream.packs.candidates import DRIFT_DETECTORS

_DELTA: Final = 1e-4
"""Chance that ADWIN allows for cutting a window without a change, each time it looks."""

_CLOCK: Final = 8
"""Losses between two looks."""

_WORST: Final = 5.0
"""A loss beyond it counts as it: one answer that was sure and wrong is no drift. In nats."""


OURS: Final = DRIFT_DETECTORS[1]
"""The detector that always runs."""

NEWEST: Final = 50
"""Losses that say how good a model is now, where a pack's detector spoke."""


@dataclass(frozen=True, slots=True)
class LossMoved:
    """Mean loss before a detector spoke, and of late."""

    before: float
    after: float
    detector: str = OURS

    @property
    def worse(self) -> bool:
        """Whether the model has become worse."""
        return self.after > self.before


@dataclass(frozen=True, slots=True)
class Worsened:
    """An outcome whose predictions have a higher log-loss than before; `switched` if another model serves from now."""

    outcome: str
    before: float
    after: float
    switched: bool
    detector: str = OURS


class LossWatch:
    """Watches the log-losses of one model, one by one as labels come.

    Examples
    --------
    >>> watch = LossWatch()
    >>> [watch.update(0.2) for _ in range(300)].count(None)
    300
    >>> moved = next(found for found in (watch.update(2.0) for _ in range(300)) if found)
    >>> moved.worse
    True

    References
    ----------
    A. Bifet, R. Gavalda: Learning from time-changing data with adaptive windowing. SDM 2007.
    """

    def __init__(self) -> None:
        self._adwin = ADWIN(delta=_DELTA, clock=_CLOCK)

    @property
    def mean(self) -> float:
        """Mean loss in the window."""
        return float(_WORST * self._adwin.estimation)

    def update(self, loss: float) -> LossMoved | None:
        """Take in a loss, in nats; NaN and negative ones are ignored."""
        if not loss >= 0.0:
            return None
        before = self.mean
        self._adwin.update(min(loss, _WORST) / _WORST)  # ADWIN's bound is for values in [0, 1]
        return LossMoved(before, self.mean) if self._adwin.drift_detected else None


class PackLossWatch:
    """Watches the same losses by a detector that the pack names; it sees them as shares of the worst one."""

    def __init__(self, watch: MetricWatch) -> None:
        self.watch = watch

    def update(self, loss: float) -> LossMoved | None:
        """Take in a loss, in nats; NaN and negative ones are ignored."""
        moved = self.watch.update(min(loss, _WORST) / _WORST) if loss >= 0.0 else None
        return LossMoved(_WORST * moved.before, _WORST * moved.after, self.watch.name) if moved else None

"""Has a model become worse? ADWIN over the losses of what it said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from river.drift import ADWIN

_DELTA: Final = 1e-4
"""Chance that ADWIN allows for cutting a window without a change, each time it looks."""

_CLOCK: Final = 8
"""Losses between two looks."""

_WORST: Final = 5.0
"""A loss beyond it counts as it: one answer that was sure and wrong is no drift. In nats."""


@dataclass(frozen=True, slots=True)
class LossMoved:
    """Mean loss in the window that ADWIN kept, and before it cut."""

    before: float
    after: float

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

"""River's drift detectors over one figure, as a pack names them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from river.drift import ADWIN, KSWIN, PageHinkley

from ubi_stream.models.common.river_models import make_listed

DETECTORS: Final = (ADWIN, KSWIN, PageHinkley)
"""Those whose memory is bounded and that are functions of their values: KSWIN draws by its seed."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Mean of a figure since its last change until a short while ago, and of its newest values."""

    before: float
    after: float


class MetricWatch:
    """A detector of River over the values of one figure.

    Parameters
    ----------
    name
        As the pack calls it.
    kind, parameters, seed
        The detector by dotted name, and how it is made.
    newest
        Values that say where the figure is now. A change is told when others came before.

    Raises
    ------
    ConfigError
        There is no such detector, or it doesn't take those parameters.

    Examples
    --------
    >>> watch = MetricWatch("steps", "drift.PageHinkley", {"threshold": 2.0}, newest=4)
    >>> [watch.update(0.25) for _ in range(100)].count(None)
    100
    >>> moved = next(moved for moved in (watch.update(0.75) for _ in range(100)) if moved)
    >>> round(moved.before, 2), moved.after
    (0.25, 0.75)
    """

    def __init__(
        self, name: str, kind: str, parameters: Mapping[str, Any] | None = None, *, newest: int, seed: int = 1
    ) -> None:
        self.name = name
        self.n_seen = 0
        self._detector = make_listed(kind, parameters or {}, DETECTORS, seed=seed)
        self._newest = newest
        self._recent: list[float] = []
        self._before = 0.0
        self._n_before = 0

    def update(self, value: float) -> Moved | None:
        """Take in a value; NaN is none."""
        if math.isnan(value):
            return None
        self.n_seen += 1
        self._recent.append(value)
        if len(self._recent) > self._newest:
            self._n_before += 1
            self._before += (self._recent.pop(0) - self._before) / self._n_before
        self._detector.update(value)
        if not self._detector.drift_detected:
            return None
        moved = Moved(self._before, math.fsum(self._recent) / len(self._recent)) if self._n_before else None
        self._before, self._n_before = 0.0, 0
        return moved

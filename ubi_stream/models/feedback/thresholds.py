"""Thresholds of anomalies, as people's labels move them.

An anomaly is told when `log_odds(score) > log_odds(quantile) + own + peers`. The quantile is the one that lets the
pack's alert rate through; `own` belongs to the entity and lies in its memo, `peers` belongs to all entities of the
partition. Both are 0 until somebody labels, are bounded, and fade. `docs/feedback.md` has the whole of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Final

import numpy as np

from ubi_stream.arrays import sigmoid
from ubi_stream.features.stage import Matrix
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.panes import DAY_MS
from ubi_stream.state.stage import StateChange

STEP: Final = 0.25
"""Log-odds by which a label of weight 1 moves the entity's threshold past the score."""
BEYOND: Final = 1.25
"""A false positive lifts the threshold this much further than the score was above it, so that it takes a third of a
half-life until the same is told again."""
PEERS_STEP: Final = 0.05
"""Log-odds by which a label of weight 1 moves the threshold of all."""
OWN_LEAST: Final = -1.0
"""Lowest shift of an entity: however many hits were confirmed, it alerts at most about 2.7 times as readily."""
OWN_MOST: Final = 24.0
"""Highest shift of an entity: past every score."""
PEERS_MOST: Final = 0.5
"""Largest shift of all, either way: labels about few must not silence the rest."""
OWN_HALF_LIFE_MS: Final = 30 * DAY_MS
"""Event time of the entity after which its shift counts half."""
PEERS_HALF_LIFE: Final = 20_000
"""Rows of the partition after which the shift of all counts half; as old scores do in the quantile."""
LIMIT: Final = log(1e6)
"""Log-odds of a score of almost 1; scores beyond count as much."""
_SLACK: Final = 1e-6
"""Log-odds by which a first look is more generous than it must be: it must not depend on rounding."""


class PeersShift:
    """Shift of the threshold of all entities of a partition; fades as rows come by.

    Attributes
    ----------
    n_seen
        Rows so far.
    """

    def __init__(self) -> None:
        self.n_seen = 0
        self._shift = 0.0
        self._as_of = 0

    def at(self, seen: int) -> float:
        """The shift in log-odds when so many rows had been seen."""
        return faded(self._shift, seen - self._as_of, PEERS_HALF_LIFE)

    def set(self, shift: float) -> float:
        """Replace it as of now, within ±`PEERS_MOST`; returns what it is then."""
        self._shift, self._as_of = min(max(shift, -PEERS_MOST), PEERS_MOST), self.n_seen
        return self._shift


class AlertThresholds:
    """Thresholds of rows, each the one of its entity."""

    def __init__(self, peers: PeersShift, changes: Sequence[StateChange], first: int, *, lowest_own: float) -> None:
        self._peers = peers
        self._changes = changes
        self._seen = peers.n_seen - first
        lowest = lowest_own + min(0.0, peers.at(peers.n_seen))
        self._lowest = lowest - _SLACK if lowest else 0.0

    def floors(self, quantiles: Matrix) -> Matrix:
        """What no threshold of an entity is below, for quantiles in force of shape (n,): a quick first look."""
        if self._lowest == 0.0:
            return quantiles
        known = {value: shifted(value, self._lowest) for value in np.unique(quantiles[np.isfinite(quantiles)]).tolist()}
        return np.array([known.get(value, np.nan) for value in quantiles.tolist()])

    def threshold(self, row: int, quantile: float) -> float:
        """The threshold of the entity of a row; the row alerts if its score is above it."""
        change = self._changes[row]
        own = own_shift(change.state.history, change.at_ms)
        return shifted(quantile, own + self._peers.at(self._seen + row))


def moved(own: float, above: float, *, positive: bool, weight: float) -> float:
    """An entity's shift after a label.

    Parameters
    ----------
    own
        The shift before, in log-odds.
    above
        How far the score is above the threshold of all, in log-odds.

    >>> moved(0.0, 2.0, positive=False, weight=1.0)  # past the score, and a step
    2.75
    >>> moved(2.75, 2.0, positive=True, weight=1.0)  # below the score, by a step
    1.75
    >>> moved(0.0, 2.0, positive=True, weight=1.0)
    -0.25
    """
    share = min(1.0, weight)
    if positive:
        return own - share * max(0.0, own - above) - STEP * weight
    return own + share * max(0.0, BEYOND * max(0.0, above) - own) + STEP * weight


def own_shift(history: InsightHistory, at_ms: int) -> float:
    """Shift of an entity's threshold at a moment of its event time, in log-odds."""
    return faded(history.shift, at_ms - history.shift_ms, OWN_HALF_LIFE_MS)


def faded(shift: float, age: int, half_life: int) -> float:
    """A shift after so long; a clock that went back ages nothing.

    >>> faded(2.0, 30, 30), faded(2.0, -30, 30)
    (1.0, 2.0)
    """
    if shift == 0.0:
        return 0.0
    faded_by: float = 0.5 ** (max(0, age) / half_life)
    return shift * faded_by


def log_odds(share: float) -> float:
    """Log-odds of a score in [0, 1], within ±`LIMIT`.

    >>> log_odds(0.5), log_odds(1.0) == LIMIT
    (0.0, True)
    """
    if not 0.0 < share < 1.0:
        return LIMIT if share >= 1.0 else -LIMIT
    return min(max(log(share / (1.0 - share)), -LIMIT), LIMIT)


def shifted(quantile: float, shift: float) -> float:
    """A threshold moved by log-odds. At 1, which no score is above, nothing is told.

    >>> shifted(0.7, 0.0), round(shifted(0.5, 1.0), 3), shifted(0.7, 20.0)
    (0.7, 0.731, 1.0)
    """
    if shift == 0.0:
        return quantile
    odds = log_odds(quantile) + shift
    if abs(odds) >= LIMIT:
        return 1.0 if odds > 0 else 0.0
    return sigmoid(odds)

"""Two questions about discrete things: how rare is this combination, and how recently was exactly this seen?"""

from __future__ import annotations

from collections import OrderedDict
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import FloatArray
from ubi_stream.models.anomaly.noise import Keys, mixed

GROUPS: Final = 8

_ENOUGH: Final = 250.0
"""Events of a group, before one of it can be rare."""


class CombinationDensity:
    """How rare is a combination of discrete values within its group? Counts in a table of fixed size, that fade.

    The answer is the share of the group's events whose combination is as rare or rarer. The lowest three bits of a key
    are its group: a part of the day, say, in which another thing is usual. A group of which little is known has no
    answer; else everything would be rare when a day begins. Combinations are told apart by a hash; two that share a
    place look more frequent than they are, never rarer.

    Parameters
    ----------
    places
        Size of a group's table.
    half_life
        Events after which an old one counts half.

    Examples
    --------
    >>> density = CombinationDensity()
    >>> density.learn_many(np.array([16] * 298 + [24], dtype=np.uint64))
    >>> density.turn()
    >>> density.score_many(np.array([16, 24, 32, 33], dtype=np.uint64)).round(4).tolist()
    [1.0, 0.0067, 0.0033, nan]
    """

    def __init__(self, *, places: int = 512, half_life: float = 200_000.0) -> None:
        self.places = places
        self.half_life = half_life
        self._counts = np.zeros((GROUPS, places))
        self._open = np.zeros((GROUPS, places), dtype=np.int64)
        self._shares = np.full((GROUPS, places), np.nan)

    def score_many(self, keys: Keys) -> FloatArray:
        """Return the share of each combination, shape (n,); NaN where little is known of its group."""
        shares: FloatArray = self._shares.ravel()[self._places(keys)]
        return shares

    def learn_many(self, keys: Keys) -> None:
        """Count combinations; they count from the next `turn` on."""
        self._open += np.bincount(self._places(keys), minlength=self._open.size).reshape(self._open.shape)

    def turn(self) -> None:
        """Let what was learned count: the end of a block."""
        self._counts = self._counts * 0.5 ** (int(self._open.sum()) / self.half_life) + self._open
        for group in np.flatnonzero(self._open.any(axis=1)).tolist():
            counts = self._counts[group]
            ordered = np.sort(counts)
            sums = np.add.accumulate(ordered)
            as_rare = np.where(counts > 0.0, sums[np.searchsorted(ordered, counts, side="right") - 1], 0.0)
            known = sums[-1] >= _ENOUGH
            self._shares[group] = np.minimum((as_rare + 1.0) / (sums[-1] + 1.0), 1.0) if known else np.nan
        self._open = np.zeros_like(self._open)

    def _places(self, keys: Keys) -> NDArray[np.intp]:
        return np.array([_place(key, self.places) for key in keys.tolist()], dtype=np.intp)


@lru_cache(maxsize=10_000)
def _place(key: int, places: int) -> int:
    """Where a combination is counted. There are few of them, so it is nearly always known."""
    scattered = int(mixed(np.array([key], dtype=np.uint64))[0])
    return key % GROUPS * places + scattered % places


class RepeatWatch:
    """How recently was exactly this seen? An attack repeats itself; where repeats are common, the tail share says so.

    The score is minus the number of events since, so that the most recent is the highest; what was not seen among the
    last `capacity` different ones has minus `horizon`.

    Parameters
    ----------
    capacity
        Different keys that are remembered.
    horizon
        Events after which having seen it means nothing.

    Examples
    --------
    >>> watch = RepeatWatch()
    >>> keys = np.array([5, 6, 5], dtype=np.uint64)
    >>> watch.score_many(keys).tolist()
    [-2000.0, -2000.0, -2.0]
    """

    def __init__(self, *, capacity: int = 600, horizon: int = 2_000) -> None:
        self.capacity = capacity
        self.horizon = horizon
        self.n_seen = 0
        self._last_seen: OrderedDict[int, int] = OrderedDict()

    def score_many(self, keys: Keys) -> FloatArray:
        """Return the score of each key, each as if those before it had been learned."""
        now, never = self.n_seen, -self.horizon
        seen, met = self._last_seen, dict[int, int]()
        scores = []
        for key in keys.tolist():
            at = met.get(key)
            if at is None:
                at = seen.get(key)
            scores.append(never if at is None else max(at - now, never))
            met[key] = now
            now += 1
        return np.array(scores, dtype=np.float64)

    def learn_many(self, keys: Keys) -> None:
        """Remember keys, in order."""
        seen = self._last_seen
        for key in keys.tolist():
            seen[key] = self.n_seen
            seen.move_to_end(key)
            self.n_seen += 1
            if len(seen) > self.capacity:
                seen.popitem(last=False)

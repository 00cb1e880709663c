"""Two questions about discrete things: how rare is this combination, and how recently was exactly this seen?"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from ubi_stream.models.arrays import FloatArray
from ubi_stream.models.oddness.noise import Keys, mixed


class CombinationDensity:
    """How rare is a combination of discrete values, in bits? Counts in a table of fixed size, that fade.

    Combinations are told apart by a hash; two that share a place look more frequent than they are, never rarer.

    Parameters
    ----------
    places
        Size of the table, a power of two.
    half_life
        Events after which an old one counts half.

    Examples
    --------
    >>> density = CombinationDensity()
    >>> density.learn_many(np.array([7] * 99 + [8], dtype=np.uint64))
    >>> density.turn()
    >>> density.score_many(np.array([7, 8, 9], dtype=np.uint64)).round().tolist()
    [0.0, 6.0, 8.0]
    """

    def __init__(self, *, places: int = 2_048, half_life: float = 50_000.0) -> None:
        self.places = places
        self.half_life = half_life
        self._counts = np.zeros(places)
        self._total = 0.0
        self._open = np.zeros(places, dtype=np.int64)

    def score_many(self, keys: Keys) -> FloatArray:
        """Return the bits of each combination, shape (n,); NaN before the first `turn`."""
        if not self._total:
            return np.full(len(keys), np.nan)
        bits: FloatArray = -np.log2((self._counts[self._place(keys)] + 0.5) / (self._total + 1.0))
        return bits

    def learn_many(self, keys: Keys) -> None:
        """Count combinations; they count from the next `turn` on."""
        self._open += np.bincount(self._place(keys), minlength=self.places)

    def turn(self) -> None:
        """Let what was learned count: the end of a block."""
        added = int(self._open.sum())
        decay = 0.5 ** (added / self.half_life)
        self._counts = self._counts * decay + self._open
        self._total = self._total * decay + added
        self._open = np.zeros_like(self._open)

    def _place(self, keys: Keys) -> Keys:
        return mixed(keys) % np.uint64(self.places)


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

    def __init__(self, *, capacity: int = 1_000, horizon: int = 2_000) -> None:
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

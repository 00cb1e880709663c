"""How high is a score among the scores so far?"""

from __future__ import annotations

import random
from bisect import bisect_left, insort


class RankTracker:
    """The share of earlier scores that are at least as high, estimated from a uniform sample of all of them.

    Parameters
    ----------
    size
        Scores in the sample; the smallest share that can be told is about 1 / size.
    seed
        Of the sampling.

    Examples
    --------
    >>> ranks = RankTracker()
    >>> for score in range(99):
    ...     ranks.learn(float(score))
    >>> ranks.tail(98.5), ranks.tail(-1.0)
    (0.01, 1.0)

    References
    ----------
    J. S. Vitter: Random sampling with a reservoir. ACM TOMS 11, 1985.
    """

    def __init__(self, size: int = 2_000, seed: int = 1) -> None:
        self.size = size
        self.n_seen = 0
        self._sorted: list[float] = []
        self._rng = random.Random(seed)

    def tail(self, score: float) -> float:
        """Return the share in (0, 1]; small for a score that is seldom reached."""
        at_least = len(self._sorted) - bisect_left(self._sorted, score)
        return (at_least + 1.0) / (len(self._sorted) + 1.0)

    def learn(self, score: float) -> None:
        """Take in a score."""
        self.n_seen += 1
        if len(self._sorted) < self.size:
            insort(self._sorted, score)
        elif self._rng.random() * self.n_seen < self.size:
            del self._sorted[self._rng.randrange(self.size)]
            insort(self._sorted, score)

"""The anomaly detector of the default tier: several kinds of oddness, combined by their ranks."""

from __future__ import annotations

import math
import random
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from river.base import AnomalyDetector

from ubi_stream.models.arrays import FloatArray
from ubi_stream.models.ensemble.encoder import Encoded, FeatureEncoder
from ubi_stream.models.ensemble.ranks import RankTracker
from ubi_stream.models.half_space import HalfSpaceForest

_LIMIT = 50.0
"""Standard deviations: further out is a broken sensor or another unit, and odd enough."""

_CROWD = 0.05
"""Share of the sample that is company: anomalies that make up less of the past don't vouch for each other."""

_REPEATS = 2_000
"""Events for which an exact vector is remembered."""

_WARM_UP = 50
"""Events before the first score: less is no sample."""

_RANKS_FROM = 25
"""Events before the first that is ranked: by the first score there are ranks to compare with."""

_TREES_FROM = 250
"""Events after which the half-space trees are grown, on the columns known by then."""


@dataclass(frozen=True, slots=True)
class _Sight:
    x: dict[str, Any]
    encoded: Encoded
    parts: tuple[float, ...]


class RankedAnomalies(AnomalyDetector):  # type: ignore[misc]  # River's classes are untyped under strict mode
    """An anomaly detector that asks several questions and combines the answers by how rare each is.

    - How far away is the nearest twentieth of a uniform sample of the past? The sample is of all events so far, so a
      burst of anomalies doesn't make itself normal, which is what blinds half-space trees.
    - How recently did exactly this vector occur? An attack repeats itself; where repeats are common, the rank says so.
    - Half-space trees (optional: they cost more than the rest).

    Each answer becomes the share of earlier events that were at least as odd; the score is 1 minus their geometric
    mean (Fisher's way of combining tests, rescaled), in [0, 1). It is 0.0 for the first 50 events; `ready` tells.

    Parameters
    ----------
    sample
        Vectors in the sample.
    capacity
        Most columns: numbers, and values of words.
    trees
        Half-space trees; 0 for none.
    seed
        Of all sampling.

    Examples
    --------
    >>> import random
    >>> rng, detector = random.Random(1), RankedAnomalies()
    >>> for _ in range(500):
    ...     detector.learn_one({"a": rng.gauss(0, 1), "b": rng.gauss(5, 2)})
    >>> detector.score_one({"a": 0.0, "b": 5.0}) < 0.6 < 0.9 < detector.score_one({"a": 4.0, "b": -4.0})
    True

    References
    ----------
    S. Ramaswamy, R. Rastogi, K. Shim: Efficient algorithms for mining outliers from large data sets. SIGMOD 2000.
    M. Sugiyama, K. Borgwardt: Rapid distance-based outlier detection via sampling. NIPS 2013.
    S. C. Tan, K. M. Ting, T. F. Liu: Fast anomaly detection for streaming data. IJCAI 2011.
    R. A. Fisher: Statistical Methods for Research Workers, 4th ed., 1932 (combination of tests).
    """

    def __init__(self, sample: int = 500, capacity: int = 32, trees: int = 0, seed: int = 1) -> None:
        self.sample = sample
        self.capacity = capacity
        self.trees = trees
        self.seed = seed
        self.n_seen = 0
        self.encoder = FeatureEncoder(capacity, codes=False, logs=False, recent=False, limit=_LIMIT)
        self._sample = np.zeros((sample, 0))
        self._has_missing = False
        self._rng = random.Random(seed)
        self._last_seen: OrderedDict[bytes, int] = OrderedDict()
        self._forest: HalfSpaceForest | None = None
        self._ranks = [RankTracker(seed=seed + i) for i in range(3 if trees else 2)]
        self._sight: _Sight | None = None

    @property
    def ready(self) -> bool:
        """Whether there is a past to compare with."""
        return self.n_seen >= _WARM_UP

    def score_one(self, x: Mapping[str, Any]) -> float:
        """Return how odd the named values are, in [0, 1)."""
        if not self.ready:
            return 0.0
        tails = [ranks.tail(part) for ranks, part in zip(self._ranks, self._look(x).parts, strict=False)]
        return 1.0 - math.exp(sum(map(math.log, tails)) / len(tails))

    def learn_one(self, x: Mapping[str, Any]) -> None:
        """Take in named values."""
        sight = self._look(x)
        self._sight = None
        if self.n_seen >= _RANKS_FROM:
            for ranks, part in zip(self._ranks, sight.parts, strict=False):
                ranks.learn(part)
        if self.trees:
            self._learn_trees(sight.encoded.deviations)
        self._learn_repeat(_key(sight.encoded.raw))
        self.encoder.learn(x, sight.encoded)
        widened = self.encoder.n > len(sight.encoded.raw)
        self._learn_sample(self.encoder.encode(x).raw if widened else sight.encoded.raw)
        self.n_seen += 1

    def _look(self, x: Mapping[str, Any]) -> _Sight:
        """Answer all questions; remembered from scoring to the learning that follows it."""
        if self._sight is not None and self._sight.x == x:
            return self._sight
        encoded = self.encoder.encode(x)
        seen_at = self._last_seen.get(_key(encoded.raw), self.n_seen - _REPEATS)
        parts = [self._distance(encoded), float(seen_at - self.n_seen)]
        if self._forest is not None and self._forest.ready:
            row = _squashed(encoded.deviations, len(self._forest.features))
            parts.append(float(self._forest.score_many(row)[0]))
        self._sight = _Sight(dict(x), encoded, tuple(parts))
        return self._sight

    def _distance(self, encoded: Encoded) -> float:
        """Sum of deviations, feature by feature, within which the crowd is; a missing value is at no distance."""
        filled = min(self.n_seen, self.sample)
        if filled == 0:
            return 0.0
        deviations = np.abs((self._sample[:filled] - encoded.raw) * self.encoder.scales)
        if encoded.missing or self._has_missing:
            deviations = np.where(np.isnan(deviations), 0.0, deviations)
        rank = min(int(_CROWD * self.sample), filled - 1)
        return float(np.partition(deviations.sum(axis=1), rank)[rank])

    def _learn_sample(self, raw: FloatArray) -> None:
        width = self._sample.shape[1]
        if len(raw) > width:
            before = np.full((self.sample, len(raw) - width), math.nan)  # whether they had it isn't known
            self._sample = np.concatenate((self._sample, before), axis=1)
            self._has_missing = self._has_missing or self.n_seen > 0
        place = self.n_seen if self.n_seen < self.sample else self._rng.randrange(self.n_seen + 1)
        if place < self.sample:
            self._sample[place] = raw
            self._has_missing = self._has_missing or bool(np.isnan(raw).any())

    def _learn_repeat(self, key: bytes) -> None:
        self._last_seen[key] = self.n_seen
        self._last_seen.move_to_end(key)
        if len(self._last_seen) > _REPEATS:
            self._last_seen.popitem(last=False)

    def _learn_trees(self, deviations: FloatArray) -> None:
        if self._forest is None and self.n_seen >= _TREES_FROM and self.encoder.n:
            names = tuple(f"{column:03d}" for column in range(self.encoder.n))
            self._forest = HalfSpaceForest(names, n_trees=self.trees, seed=self.seed)
        if self._forest is not None:
            self._forest.learn_many(_squashed(deviations, len(self._forest.features)))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed again."""
        return vars(self) | {"_sight": None}


def _squashed(deviations: FloatArray, width: int) -> FloatArray:
    """Map deviations into (0, 1), as one row of the first `width` columns."""
    row = deviations[np.newaxis, :width]
    squashed: FloatArray = 0.5 + 0.5 * row / (1.0 + np.abs(row))
    return squashed


def _key(raw: FloatArray) -> bytes:
    return blake2b(raw.tobytes(), digest_size=8).digest()

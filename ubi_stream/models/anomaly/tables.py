"""The anomaly detector of a worker for named values of any kind: several kinds of oddness, combined by their ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

import numpy as np
from river.base import AnomalyDetector

from ubi_stream.arrays import FloatArray
from ubi_stream.models.anomaly.ensemble import DetectorEnsemble
from ubi_stream.models.anomaly.inputs import DetectorInputs, DetectorScores
from ubi_stream.models.anomaly.recurrence import GROUPS
from ubi_stream.models.common.encoder import Encoded, FeatureEncoder

_LIMIT: Final = 50.0
"""Standard deviations: further out is a broken sensor or another unit, and odd enough."""

_BUCKETS: Final = 8
"""Columns that those beyond the capacity share."""


@dataclass(frozen=True, slots=True)
class _ScoredRow:
    x: dict[str, Any]
    look: DetectorScores


class RankedAnomalies(AnomalyDetector):  # type: ignore[misc]  # River's classes are untyped under strict mode
    """The worker's `DetectorEnsemble` for named values: it finds its columns by itself.

    It asks how far away the crowd is, how recently exactly this vector occurred, how rare the combination of its words
    is, and, optionally, in how thin a region of half-space trees it lies. The score is 0.0 until the first references
    are there; `ready` tells.

    Parameters
    ----------
    sample
        Vectors that the crowd is told from.
    capacity
        Most columns of their own: numbers, and values of words; further ones share a few.
    trees
        Half-space trees; 0 for none.
    window
        Rows after which references are renewed; ten times as often in the first such window.
    seed
        Of all sampling.

    Examples
    --------
    >>> import random
    >>> rng, detector = random.Random(1), RankedAnomalies()
    >>> for _ in range(500):
    ...     detector.learn_one({"a": rng.gauss(0, 1), "b": rng.gauss(5, 2)})
    >>> detector.score_one({"a": 0.0, "b": 5.0}) < 0.1 < 0.4 < detector.score_one({"a": 4.0, "b": -4.0})
    True
    """

    def __init__(self, sample: int = 192, capacity: int = 32, trees: int = 0, window: int = 250, seed: int = 1) -> None:
        self.sample = sample
        self.capacity = capacity
        self.trees = trees
        self.window = window
        self.seed = seed
        self.encoder = FeatureEncoder(
            capacity, codes=False, logs=False, recent=False, tails=False, buckets=_BUCKETS, limit=_LIMIT
        )
        columns = tuple(f"{column:03d}" for column in range(capacity + _BUCKETS))
        self.blend = DetectorEnsemble(columns, trees=trees, window=window, sample=sample, unit=False, seed=seed)
        self._scored: _ScoredRow | None = None

    @property
    def n_seen(self) -> int:
        """Rows learned."""
        return self.blend.n_seen

    @property
    def ready(self) -> bool:
        """Whether there is a past to compare with."""
        return self.blend.ready

    def score_one(self, x: Mapping[str, Any]) -> float:
        """Return how odd the named values are, in [0, 1]."""
        return float(np.nan_to_num(self._look(x).score[0], nan=0.0))

    def learn_one(self, x: Mapping[str, Any]) -> None:
        """Take in named values."""
        look = self._look(x)
        self._scored = None
        self.encoder.learn(x, self.encoder.encode(x))
        self.blend.learn(self._inputs([x], [self._row(x)]), look)

    def score_learn_many(self, xs: Sequence[Mapping[str, Any]]) -> FloatArray:
        """Score each row, then learn it: the same as `score_one` and `learn_one` row by row, at a fifth of the price.

        Returns
        -------
        Scores of shape (n,); 0.0 while there is nothing to compare with.
        """
        scores = [np.zeros(0)]
        names: list[Mapping[str, Any]] = []
        rows: list[FloatArray] = []
        for x in xs:
            encoded, columns = self.encoder.encode(x), self.encoder.n
            names.append(x)
            rows.append(self._padded(encoded))
            self.encoder.learn(x, encoded)
            if self.encoder.n > columns:  # it is scored without the new columns, and learned with them
                scores.append(self._flush(names[:-1], rows[:-1]))
                look = self.blend.look(self._inputs([x], rows[-1:]))
                self.blend.learn(self._inputs([x], [self._row(x)]), look)
                scores.append(look.score)
                names, rows = [], []
        scores.append(self._flush(names, rows))
        return np.nan_to_num(np.concatenate(scores), nan=0.0)

    def _flush(self, xs: Sequence[Mapping[str, Any]], rows: Sequence[FloatArray]) -> FloatArray:
        scores = np.full(len(rows), np.nan)
        if rows:
            inputs = self._inputs(xs, rows)
            for part in self.blend.parts(len(rows)):
                look = self.blend.look(inputs[part])
                self.blend.learn(inputs[part], look)
                scores[part] = look.score
        return scores

    def _look(self, x: Mapping[str, Any]) -> DetectorScores:
        """Judge a row; remembered from scoring to the learning that follows it."""
        if self._scored is None or self._scored.x != x:
            self._scored = _ScoredRow(dict(x), self.blend.look(self._inputs([x], [self._row(x)])))
        return self._scored.look

    def _row(self, x: Mapping[str, Any]) -> FloatArray:
        return self._padded(self.encoder.encode(x))

    def _padded(self, encoded: Encoded) -> FloatArray:
        """Values of the columns of their own, then what the others share, shape (capacity + buckets,)."""
        row = np.full(self.capacity + _BUCKETS, np.nan)
        own = encoded.raw[: self.capacity]
        row[: len(own)] = own
        shared = encoded.deviations[self.capacity :]
        row[self.capacity : self.capacity + len(shared)] = shared
        return row

    def _inputs(self, xs: Sequence[Mapping[str, Any]], rows: Sequence[FloatArray]) -> DetectorInputs:
        keys = np.array([words_key(x) for x in xs], dtype=np.uint64)
        return DetectorInputs.of(np.array(rows), combinations=keys)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed again."""
        return vars(self) | {"_scored": None}


def words_key(x: Mapping[str, Any]) -> int:
    """Return a key of the words among the values, in whatever order they come; 0 where there are none."""
    words = sorted((str(name), value) for name, value in x.items() if isinstance(value, str))
    return crc32(repr(words).encode("utf-8", "surrogatepass")) * GROUPS if words else 0

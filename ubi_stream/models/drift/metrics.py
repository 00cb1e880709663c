"""The figures that are watched for drift, and what a block of events says about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import FloatArray, running_sums
from ubi_stream.models.anomaly.combinations import Combinations
from ubi_stream.models.common.block_learner import BlockLearner
from ubi_stream.packs.plan import OTHER_TYPE

_FADE: Final = 0.99
"""Share of what is known of a type's properties that is kept from block to block."""

_EXPECTED: Final = 5.0
"""Events of a block that must be expected to have a property, before one can say that it is missing."""

MINUTE_MS: Final = 60_000


class MetricKind(StrEnum):
    """What a watched figure is."""

    RATE = "rate"
    """Events a minute of event time, as a decimal logarithm."""
    TYPE = "type"
    """Share of an event type among the events."""
    MISSING = "missing"
    """Share of the events that usually have a property and now lack it."""
    REPEAT = "repeat"
    """Share of the users whose second event of a type comes right after the first."""
    FEATURE = "feature"
    """Mean of a feature, on its scale from 0 to 1."""
    LOSS = "loss"
    """Log-loss of an outcome's model."""


@dataclass(frozen=True, slots=True)
class WatchedMetric:
    """One watched figure."""

    kind: MetricKind
    name: str


@dataclass(frozen=True, slots=True)
class MetricRows:
    """Rows of a batch, as drift sees them: n of each, and `features` of shape (n, F), NaN where missing.

    `keys` are those of `Combinations`, `firsts` tells an entity's first event in its five minutes.
    """

    watermarks_ms: Sequence[int]
    keys: NDArray[np.uint64]
    firsts: Sequence[bool]
    features: FloatArray

    def __getitem__(self, part: slice) -> MetricRows:
        return MetricRows(self.watermarks_ms[part], self.keys[part], self.firsts[part], self.features[part])


@dataclass(frozen=True, slots=True)
class Observation:
    """What a block says: a value of each subject, NaN where it says nothing; the time of its end; entities about."""

    values: FloatArray
    at_ms: int
    entities: int


class BlockMetrics(BlockLearner[MetricRows]):
    """Adds up the open block, and tells what it says when it is full.

    Attributes
    ----------
    subjects
        In the order of the values.
    filled
        Rows in the open block.
    """

    def __init__(self, combinations: Combinations, features: tuple[str, ...]) -> None:
        super().__init__()
        self._combinations = combinations
        self._types = (*combinations.types, OTHER_TYPE)
        self.subjects = (
            WatchedMetric(MetricKind.RATE, "events"),
            *(WatchedMetric(MetricKind.TYPE, name) for name in self._types),
            *(WatchedMetric(MetricKind.MISSING, name) for name in combinations.properties),
            *(WatchedMetric(MetricKind.FEATURE, name) for name in features),
        )
        n_types, n_properties = len(self._types), len(combinations.properties)
        self._usual = np.zeros((n_types, 1 + n_properties))  # events of a type, those with each property; fading
        self._sums = np.zeros((2, len(features)))
        self._counts = np.zeros((n_types, 1 + n_properties), dtype=np.int64)
        self._entities = 0
        self._since_ms = -1
        self.filled = 0

    def add(self, rows: MetricRows) -> None:
        """Take in rows of the open block. They wait for its end, or for a snapshot, to be added up in one go."""
        self._waiting.append(rows)
        self._entities += sum(rows.firsts)
        self.filled += len(rows.keys)

    def _learn_waiting(self, waiting: list[MetricRows]) -> None:
        types, present = self._combinations.split(np.concatenate([rows.keys for rows in waiting]))
        n_types = len(self._types)
        types = np.minimum(types, n_types - 1)
        self._counts[:, 0] += np.bincount(types, minlength=n_types)
        for column in range(present.shape[1]):
            self._counts[:, 1 + column] += np.bincount(types[present[:, column]], minlength=n_types)
        features = np.concatenate([rows.features for rows in waiting])
        seen = ~np.isnan(features)
        self._sums = running_sums(self._sums, np.stack((np.where(seen, features, 0.0), seen), axis=1))

    def end(self, at_ms: int) -> Observation:
        """End the block at a watermark, and begin the next."""
        self._catch_up()
        minutes = (at_ms - self._since_ms) / MINUTE_MS if self._since_ms >= 0 else 0.0
        rate = np.log10(self.filled / minutes) if minutes > 0.0 else np.nan
        shares = self._counts[:, 0] / self.filled
        totals, counts = self._sums
        means = np.where(counts > 0, totals / np.maximum(counts, 1.0), np.nan)
        values = np.concatenate(([rate], shares, self._missing(), means))
        entities = self._entities
        self._usual = _FADE * self._usual + self._counts
        self._counts = np.zeros_like(self._counts)
        self._sums = np.zeros_like(self._sums)
        self._entities, self.filled, self._since_ms = 0, 0, at_ms
        return Observation(values, at_ms, entities)

    def _missing(self) -> FloatArray:
        """Share of the events that would have each property, by what is usual for their types, and don't."""
        known = self._usual[:, :1]
        usual = self._usual[:, 1:] / np.maximum(known, 1.0)
        expected = np.add.reduce(self._counts[:, :1] * usual, axis=0)
        # Only types that usually have it: a type that has it now and then says nothing when it doesn't.
        present = np.add.reduce(np.where(usual > 0.0, self._counts[:, 1:], 0), axis=0)
        missing: FloatArray = np.where(expected >= _EXPECTED, 1.0 - present / np.maximum(expected, 1.0), np.nan)
        return missing

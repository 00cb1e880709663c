"""One model of a panel, with its calibration and its quality."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, Final
from zlib import crc32

import numpy as np

from ubi_stream.arrays import FloatArray
from ubi_stream.models.common.protocol import OnlineModel
from ubi_stream.models.outcomes.calibration import OnlineCalibrator
from ubi_stream.models.outcomes.champion import PairedLossTest
from ubi_stream.models.outcomes.quality import QualitySums, RollingQuality
from ubi_stream.models.registry import Recipe

_MASK: Final = 2**64 - 1


@cache
def _salt(name: str) -> int:
    """What tells the shares of two candidates apart."""
    return crc32(name.encode()) * 0x9E3779B97F4A7C15


class Candidate:
    """A model, and how far its predictions can be trusted.

    Parameters
    ----------
    name
        As the pack calls it.
    recipe
        How the model is made; its features are among the panel's.
    features
        Those of the panel.
    share
        Of the questions that it is asked, and learns from, while it doesn't serve.
    min_labels, min_per_class
        Labels it must have learned, in all and of the rarer class, before a prediction counts.
    delayed
        Whether labels come a horizon after their predictions. Then the base rate is given in place of the model's own
        figure until `min_labels` predictions that were made after the warm-up have been judged.
    window
        Labels of its recent quality.
    """

    def __init__(
        self,
        name: str,
        recipe: Recipe,
        features: tuple[str, ...],
        *,
        share: float = 1.0,
        min_labels: int = 100,
        min_per_class: int = 10,
        delayed: bool = False,
        window: int = 1_000,
    ) -> None:
        self.name = name
        self.recipe = recipe
        self.share = share
        self.min_labels = min_labels
        self.min_per_class = min_per_class
        self.delayed = delayed
        self.columns = np.array([features.index(feature) for feature in recipe.features], dtype=np.intp)
        self.model: OnlineModel = recipe.make()
        self.calibrator = OnlineCalibrator()
        self.emission = OnlineCalibrator(slope_variance=0.01, offset_variance=0.1)  # of calibrated probabilities
        self.emitted = QualitySums()
        self.quality = RollingQuality(window)
        self.paired_test = PairedLossTest()
        self.n_seen = 0
        self.n_positive = 0
        self.n_judged = 0  # labels of predictions that were made after the warm-up

    @property
    def warm_up(self) -> bool:
        """Whether there is too little evidence to show a prediction to anybody."""
        rarer = min(self.n_positive, self.n_seen - self.n_positive)
        return self.n_seen < self.min_labels or rarer < self.min_per_class

    @property
    def gives_base_rate(self) -> bool:
        """Whether the share of positives is given, because what the model says has not been judged yet."""
        return self.delayed and not self.warm_up and self.n_judged < self.min_labels

    def takes(self, pending: int) -> bool:
        """Whether a question is in its share: by hash, so that every run takes the same ones."""
        if self.share >= 1.0:
            return True
        mixed = (pending ^ _salt(self.name)) & _MASK
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & _MASK
        return (mixed ^ (mixed >> 31)) < self.share * 2**64

    def score_many(self, rows: FloatArray) -> FloatArray:
        """Return the model's own probabilities of True for rows of the panel's features, shape (n,)."""
        return self.model.score_many(rows.take(self.columns, axis=1))

    def delivered(self, raw: FloatArray) -> FloatArray:
        """Return the calibrated probabilities, or the base rate; NaN while warming up."""
        if self.warm_up:
            return np.full(len(raw), math.nan)
        if self.gives_base_rate:
            return np.full(len(raw), (self.n_positive + 1.0) / (self.n_seen + 2.0))
        return self.calibrator.transform_many(raw)

    def learn(self, row: FloatArray, positive: bool, weight: float, raw: float, delivered: float) -> None:
        """Learn a label; `raw` is the model's own figure, `delivered` what was given then, NaN if there was none."""
        self.calibrator.learn(raw, positive, weight)
        self.n_judged += not math.isnan(delivered)
        self.model.learn(row[self.columns], positive, weight)
        self.n_seen += 1
        self.n_positive += bool(positive)

    def emissions(self, delivered: FloatArray) -> FloatArray:
        """Return what to emit where the calibrated probability is high enough for the first time, shape (n,).

        Of a visit's events the first one with a high figure is chosen, so its errors are mostly upwards.
        """
        return self.emission.transform_many(delivered)

    def learn_emission(self, positive: bool, *, crossed: float, emitted: float) -> None:
        """Learn the label of a visit with a high figure; the numbers are those of its `PredictionWhenAsked`."""
        if crossed:
            self.emission.learn(crossed, positive)
        if emitted:
            self.emitted.add(emitted, positive, None, 0.0)

    def contributions(self, row: FloatArray, baseline: FloatArray) -> FloatArray:
        """Return what each of the panel's features adds to the log-odds against the baseline, shape (F,)."""
        parts = np.zeros(len(row))
        parts[self.columns] = self.model.contributions(row[self.columns], baseline[self.columns])
        return parts

    def __getstate__(self) -> dict[str, Any]:
        """Have the model say itself what it has learned: one of an extension may hold anything."""
        return vars(self) | {"model": dict(self.model.snapshot())}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Make the model again, and have it go on."""
        self.__dict__.update(state)
        self.model = self.recipe.make()
        self.model.restore(state["model"])

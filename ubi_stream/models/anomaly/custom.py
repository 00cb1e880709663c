"""A further voice of the ensemble: a detector of River, or of an extension, that the pack names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

import numpy as np

from ubi_stream.arrays import FloatArray
from ubi_stream.models.anomaly.noise import uniforms
from ubi_stream.models.common.protocol import ManyRowsDetector, RowDetector
from ubi_stream.models.common.river_models import named

if TYPE_CHECKING:  # it knows all models, the ensemble among them
    from ubi_stream.models.registry import Recipe

LESSON: Final = 100
"""Rows after which voices learn: in between they don't change, so that it doesn't matter how the rows came."""


class CustomDetector:
    """A detector, the rows that it will learn at the next lesson, and how it is called.

    Parameters
    ----------
    name
        As the pack calls it.
    recipe
        How the detector is made; its features are among the ensemble's.
    features
        Columns of the ensemble's rows.
    share
        Of the rows that it learns, chosen by a hash of the row's number. It scores all.

    Attributes
    ----------
    n_seen
        Rows learned from.

    Examples
    --------
    >>> from ubi_stream.models.registry import Recipe
    >>> recipe = Recipe("anomaly.HalfSpaceTrees", ("a",), {"window_size": 50})
    >>> custom_detector = CustomDetector("trees_of_river", recipe, ("a", "b"))
    >>> custom_detector.keep(np.tile([0.4, 0.4], (LESSON, 1)), 0)
    >>> custom_detector.learn()
    >>> usual, odd = custom_detector.score_many(np.array([[0.4, 0.4], [0.9, 0.4]]))
    >>> bool(usual < odd)
    True
    """

    def __init__(self, name: str, recipe: Recipe, features: tuple[str, ...], *, share: float = 1.0) -> None:
        self.name = name
        self.recipe = recipe
        self.share = share
        self.n_seen = 0
        self.model: RowDetector = recipe.make_detector()
        self._columns = np.array([features.index(feature) for feature in recipe.features], dtype=np.intp)
        self._kept = np.zeros((0, len(self._columns)))

    def score_many(self, rows: FloatArray) -> FloatArray:
        """Scores of the ensemble's rows, shape (n,), high where odd; NaN where the detector says nothing."""
        if not self.n_seen:
            return np.full(len(rows), math.nan)
        seen = np.ascontiguousarray(rows[:, self._columns])
        if isinstance(self.model, ManyRowsDetector):
            scores = np.asarray(self.model.score_many(seen), dtype=np.float64)
        else:
            scores = np.array([self._score(row) for row in seen])
        known: FloatArray = np.where(np.isfinite(scores), scores, math.nan)
        return known

    def keep(self, rows: FloatArray, first: int) -> None:
        """Keep rows for the next lesson, the first of which has this number; at most `LESSON` come between two."""
        if self.share < 1.0:
            numbers = np.arange(first, first + len(rows), dtype=np.uint64)
            rows = rows[uniforms(crc32(self.name.encode()), numbers) < self.share]
        self._kept = np.concatenate((self._kept, rows[:, self._columns]))

    def learn(self) -> None:
        """Learn the rows that were kept."""
        rows, self._kept = self._kept, self._kept[:0]
        rows = rows[np.isfinite(rows).any(axis=1)]
        if isinstance(self.model, ManyRowsDetector):
            self.model.learn_many(rows)
        else:
            for row in rows:
                self.model.learn_one(named(self.recipe.features, row))
        self.n_seen += len(rows)

    def _score(self, row: FloatArray) -> float:
        x = named(self.recipe.features, row)
        return float(self.model.score_one(x)) if x else math.nan

    def __getstate__(self) -> dict[str, Any]:
        """Keep what the detector has learned, not what it is: one of an extension may be of any class."""
        return vars(self) | {"model": dict(vars(self.model))}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Make the detector again, and have it go on."""
        self.__dict__.update(state)
        self.model = self.recipe.make_detector()
        vars(self.model).update(state["model"])

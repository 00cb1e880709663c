"""Half-space trees: how sparse was the region of a feature vector in the last window of events?"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from river.base import AnomalyDetector
from river.tree.padded import make_padded_tree

from ubi_stream.arrays import FloatArray, as_rows, blocks, row_of

_PADDING = 0.15
"""Share of a node's range next to its ends where no split falls: River's value."""


@dataclass(frozen=True)
class _Splits:
    """The splits of one depth over all trees; the children of node i are the nodes 2i and 2i + 1 of the next depth."""

    column: NDArray[np.intp]
    threshold: FloatArray


@lru_cache(maxsize=16)
def _grow(features: tuple[str, ...], n_trees: int, height: int, seed: int) -> tuple[_Splits, ...]:
    """Grow River's own trees, so that the same seed gives the same forest; shared, as nothing changes them."""
    rng = random.Random(seed)
    column_of = {name: column for column, name in enumerate(features)}
    limits = dict.fromkeys(sorted(features), (0.0, 1.0))
    level: list[Any] = [
        make_padded_tree(limits=limits, height=height, padding=_PADDING, rng=rng, l_mass=0, r_mass=0)
        for _ in range(n_trees)
    ]
    depths = []
    for _ in range(height):
        columns = np.array([column_of[node.feature] for node in level], dtype=np.intp)
        depths.append(_Splits(columns, np.array([node.threshold for node in level])))
        level = [child for node in level for child in node.children]
    return tuple(depths)


class HalfSpaceForest(AnomalyDetector):  # type: ignore[misc]  # River's classes are untyped under strict mode
    """Half-space trees that score and learn a chunk of events by array operations.

    The trees are random and fixed; learning counts how many events of the current window fall into each leaf. When the
    window is full, its counts become the reference, and a score looks up how much reference mass surrounds a vector.
    Scores equal those of `river.anomaly.HalfSpaceTrees` with the same seed and features, to the bit: a vector's score
    in a tree depends on its leaf alone, so it is computed once per leaf and window, in integers.

    Scores are in [0, 1 - 1 / (2 ** (height + 1) - 1)]; high means anomalous. While the first window fills there is no
    reference: the array methods give NaN and `ready` is False. `score_one` gives 0.0 then, as River's detectors do,
    because River's wrappers can't handle NaN.

    A missing value (NaN) follows the larger child of the reference window at each split on it, so that it is no
    evidence of an anomaly. Where both are alike, as before the first window, it goes where 0.5 would. (River decides by
    the unfinished window, and so from event to event.) Infinite values fall into the outermost regions.

    Parameters
    ----------
    features
        Names of the columns. Values are expected in [0, 1].
    n_trees, height
        Size of the forest; memory grows with n_trees * 2 ** height.
    window_size
        Events in a window.
    size_limit
        The descent stops at a node with less than this share of the window.
    seed
        The same seed and features give the same trees.

    Examples
    --------
    >>> forest = HalfSpaceForest(("a", "b"), n_trees=5, height=3, window_size=100, seed=1)
    >>> crowd = 0.4 + 0.1 * np.random.default_rng(0).random((100, 2))
    >>> bool(np.isnan(forest.score_learn_many(crowd)).all()), forest.ready
    (True, True)
    >>> usual, odd = forest.score_many(np.array([[0.45, 0.45], [0.95, 0.05]]))
    >>> bool(usual < 0.5 < odd)
    True

    References
    ----------
    S. C. Tan, K. M. Ting, T. F. Liu: Fast anomaly detection for streaming data. IJCAI 2011.
    """

    def __init__(
        self,
        features: tuple[str, ...] = ("x",),
        n_trees: int = 25,
        height: int = 8,
        window_size: int = 250,
        size_limit: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.features = tuple(features)
        self.n_trees = n_trees
        self.height = height
        self.window_size = window_size
        self.size_limit = size_limit
        self.seed = seed
        self.n_seen = 0
        n_leaves = n_trees * 2**height
        self._counts = np.zeros(n_leaves, dtype=np.int64)
        self._reference = np.zeros(n_leaves, dtype=np.int64)
        self._splits = _grow(self.features, n_trees, height, seed)
        self._prepare()

    @property
    def ready(self) -> bool:
        """Whether a window is complete, so that scores mean something."""
        return self.n_seen >= self.window_size

    def score_many(self, x: FloatArray) -> FloatArray:
        """Score rows of shape (n, F) against the last complete window; NaN while there is none."""
        rows = as_rows(x, len(self.features))
        if not self.ready:
            return np.full(len(rows), np.nan)
        return self._scores(self._leaves(rows))

    def learn_many(self, x: FloatArray) -> None:
        """Count rows of shape (n, F), in order, ending windows where they are full."""
        rows = as_rows(x, len(self.features))
        for part in blocks(len(rows), self.n_seen % self.window_size, self.window_size):
            self._count(self._leaves(rows[part]))

    def score_learn_many(self, x: FloatArray) -> FloatArray:
        """Score each row, then learn it: the same as `score_one` and `learn_one` row by row.

        Returns
        -------
        Scores of shape (n,); NaN for the rows of the first window.
        """
        rows = as_rows(x, len(self.features))
        scores = np.full(len(rows), np.nan)
        for part in blocks(len(rows), self.n_seen % self.window_size, self.window_size):
            leaves = self._leaves(rows[part])
            if self.ready:
                scores[part] = self._scores(leaves)
            self._count(leaves)
        return scores

    def locate(self, x: FloatArray) -> NDArray[np.intp]:
        """Return the leaf of each row in each tree, for `score_located` and `count_located`: the costly half of both.

        Good until a window is full.
        """
        return self._leaves(as_rows(x, len(self.features)))

    def score_located(self, leaves: NDArray[np.intp]) -> FloatArray:
        """Score rows by their leaves; NaN while no window is complete."""
        return self._scores(leaves) if self.ready else np.full(leaves.shape[1], np.nan)

    def count_located(self, leaves: NDArray[np.intp]) -> None:
        """Learn rows by their leaves.

        Raises
        ------
        ValueError
            They reach beyond the end of the window: where they are for the next one isn't known yet.
        """
        if leaves.shape[1] > self.window_size - self.n_seen % self.window_size:
            raise ValueError(f"{leaves.shape[1]} rows reach beyond the end of the window")
        self._count(leaves)

    def score_one(self, x: Mapping[str, float | None]) -> float:
        """Score named values; 0.0 while the first window fills."""
        return float(self.score_many(row_of(x, self.features)[np.newaxis])[0]) if self.ready else 0.0

    def learn_one(self, x: Mapping[str, float | None]) -> None:
        """Count named values."""
        self.learn_many(row_of(x, self.features)[np.newaxis])

    def contributions(self, row: FloatArray, baseline_row: FloatArray) -> FloatArray:
        """Tell how much each feature's distance from a baseline adds to the score.

        Returns
        -------
        Shape (F,): score of `row` minus its score with that one feature at the baseline's value. NaN while not `ready`.
        The parts don't add up to the score: features act together.
        """
        n = len(self.features)
        rows = np.repeat(as_rows(np.asarray(row)[np.newaxis], n), n + 1, axis=0)
        rows[np.arange(n), np.arange(n)] = baseline_row
        scores = self.score_many(rows)
        parts: FloatArray = scores[n] - scores[:n]
        return parts

    def _leaves(self, rows: FloatArray) -> NDArray[np.intp]:
        """Return the leaf of each row in each tree, shape (n_trees, n): all go down one depth at a time."""
        n_rows, values = len(rows), rows.ravel()
        has_missing = bool(np.isnan(values).any())
        row_start = np.arange(n_rows) * rows.shape[1]
        node = np.arange(self.n_trees)[:, np.newaxis].repeat(n_rows, axis=1)
        position = np.empty_like(node)
        value = np.empty(node.shape)
        threshold = np.empty(node.shape)
        right = np.empty(node.shape, dtype=np.bool_)
        for splits, missing_right in zip(self._splits, self._missing_right, strict=True):
            # Every index is valid; "clip" spares NumPy the buffered copy that "raise" makes with `out`.
            splits.column.take(node, out=position, mode="clip")
            position += row_start
            values.take(position, out=value, mode="clip")
            splits.threshold.take(node, out=threshold, mode="clip")
            np.greater_equal(value, threshold, out=right)
            if has_missing:
                right |= np.isnan(value) & missing_right[node]
            node += node
            node += right
        return node

    def _scores(self, leaves: NDArray[np.intp]) -> FloatArray:
        mass = np.add.reduce(self._leaf_scores.take(leaves), axis=0)  # integers: exact in any order
        highest = self.n_trees * self.window_size * (2 ** (self.height + 1) - 1)
        scores: FloatArray = 1.0 - mass / highest
        return scores

    def _count(self, leaves: NDArray[np.intp]) -> None:
        self._counts += np.bincount(leaves.ravel(), minlength=len(self._counts))
        self.n_seen += leaves.shape[1]
        if leaves.shape[1] and self.n_seen % self.window_size == 0:
            self._reference = self._counts
            self._counts = np.zeros_like(self._counts)
            self._prepare()

    def _prepare(self) -> None:
        """Derive from the reference window each leaf's score and each split's way for a missing value."""
        masses = [self._reference]
        for _ in range(self.height):
            masses.append(masses[-1].reshape(-1, 2).sum(axis=1))
        masses.reverse()
        limit = self.size_limit * self.window_size
        score = masses[0]
        open_ = masses[0] >= limit
        self._missing_right = []
        for depth, splits in enumerate(self._splits):
            below = masses[depth + 1]
            left, right = below[0::2], below[1::2]
            self._missing_right.append((right > left) | ((right == left) & (splits.threshold <= 0.5)))
            open_ = np.repeat(open_, 2)
            score = np.repeat(score, 2) + np.where(open_, below << (depth + 1), 0)
            open_ &= below >= limit
        self._leaf_scores = score

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what parameters and counts give: a snapshot is 20 kB, not 300."""
        derived = {"_splits", "_leaf_scores", "_missing_right", "_counts", "_reference"}
        state = {name: value for name, value in vars(self).items() if name not in derived}
        narrow = np.uint16 if self.window_size < 2**16 else np.int64
        return state | {
            "_counts": self._counts.astype(narrow),
            "_reference": self._reference.astype(narrow),
            "_trees_crc": self._trees_crc(),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Grow the trees again.

        Raises
        ------
        ValueError
            They are not those that the counts belong to: another Python or River grows others from the same seed.
        """
        expected = state.pop("_trees_crc")
        self.__dict__.update(state)
        self._counts = self._counts.astype(np.int64)
        self._reference = self._reference.astype(np.int64)
        self._splits = _grow(self.features, self.n_trees, self.height, self.seed)
        if self._trees_crc() != expected:
            raise ValueError("the seed gives other trees than those that the snapshot counted on")
        self._prepare()

    def _trees_crc(self) -> int:
        checksum = 0
        for splits in self._splits:
            checksum = crc32(splits.threshold.tobytes(), crc32(splits.column.tobytes(), checksum))
        return checksum

"""Several detectors, each asked its own question, combined by how rare the answers are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import FloatArray, row_sums
from ubi_stream.models.anomaly.custom import LESSON, CustomDetector
from ubi_stream.models.anomaly.half_space import HalfSpaceForest
from ubi_stream.models.anomaly.inputs import DetectorInputs, DetectorScores
from ubi_stream.models.anomaly.nearest_neighbour import NearestNeighbour
from ubi_stream.models.anomaly.recurrence import CombinationDensity, RepeatWatch
from ubi_stream.models.anomaly.tails import SMALLEST, Tails, TailShare
from ubi_stream.models.common.block_learner import BlockLearner
from ubi_stream.packs.candidates import DETECTORS

CROWD, REPEAT, TREES, OWN, COMBINATION = DETECTORS
"""What is asked: far from the crowd? exactly this again? a thin region? unlike itself? a rare combination?"""

_DECADES: Final = -math.log10(SMALLEST)
"""A score of 1 is a combined share of one in a million. It ranks; how rare it is, is counted elsewhere."""

_EARLY_TURNS: Final = 10
"""The first block is cut into so many, so that there is something to compare with soon."""

_FARTHEST: Final = 1e6
"""Deviations: all that is further out is one place for the trees."""


class DetectorEnsemble(BlockLearner[tuple[DetectorInputs, DetectorScores]]):
    """Asks detectors, turns each answer into the share of earlier rows at least as odd, and takes the harmonic mean.

    The harmonic mean of the shares stays small if one of them is very small, so that one detector is heard where the
    others are blind, and hardly depends on how the detectors depend on each other.

    All references turn over at the ends of blocks, which are counted in rows: results don't depend on how the rows
    come. Memory is fixed. What can't count before the end of the block waits until then, or until a snapshot: it is
    learned in one go, however few rows came at a time.

    Parameters
    ----------
    features
        Names of the columns.
    trees, height, window
        Of the half-space trees; none if `trees` is 0. `window` is also the block.
    sample
        Rows that the crowd is told from.
    unit
        Whether rows are in [0, 1], as the trees need them. Else the trees are grown after the first window, on the
        columns that had values in it, and see rows squashed by their centre and spread.
    voices
        Further detectors, asked and combined like the others.
    seed
        Of all sampling.

    References
    ----------
    D. J. Wilson: The harmonic mean p-value for combining dependent tests. PNAS 116, 2019.
    """

    def __init__(
        self,
        features: tuple[str, ...],
        *,
        trees: int = 25,
        height: int = 8,
        window: int = 250,
        sample: int = 192,
        unit: bool = True,
        custom_detectors: Sequence[CustomDetector] = (),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.features = features
        self.trees, self.height, self.window = trees, height, window
        self.seed = seed
        self.n_seen = 0
        self.crowd = NearestNeighbour(len(features), size=sample, seed=seed)
        self.combination = CombinationDensity()
        self.repeat = RepeatWatch()
        self.forest: HalfSpaceForest | None = None
        self._tree_columns: NDArray[np.intp] | None = None
        if trees and unit:
            self._grow(np.arange(len(features)))
        self._squash: tuple[FloatArray, FloatArray] | None = None
        self.custom_detectors = {custom_detector.name: custom_detector for custom_detector in custom_detectors}
        self.detectors = (*(name for name in DETECTORS if trees or name != TREES), *self.custom_detectors)
        # The combination's answer is a share already.
        ranked = [name for name in self.detectors if name != COMBINATION]
        self.tails = {name: TailShare(seed=seed + 1 + i) for i, name in enumerate(ranked)}
        self._tails = self._side_by_side()

    @property
    def ready(self) -> bool:
        """Whether there are shares to compare with."""
        return len(self.tails[CROWD].sample.rows) > 0

    def parts(self, n_rows: int) -> Iterator[slice]:
        """Cut a batch where references turn over or voices learn: look at each part, then learn it, then go on."""
        start, seen = 0, self.n_seen
        while start < n_rows:
            stop = min(n_rows, start + self._next_stop(seen) - seen)
            yield slice(start, stop)
            seen += stop - start
            start = stop

    def look(self, inputs: DetectorInputs) -> DetectorScores:
        """Judge the rows of one part. Changes nothing."""
        leaves = self._leaves(inputs.rows)
        answers = np.empty((len(inputs), len(self.detectors)))
        for column, name in enumerate(self.detectors):
            answers[:, column] = self._answer(name, inputs, leaves)
        return self._judged(answers, leaves)

    def learn(self, inputs: DetectorInputs, look: DetectorScores) -> None:
        """Learn the rows of a part that were looked at."""
        self.repeat.learn_many(inputs.exact)  # the one that the very next row may ask
        self._waiting.append((inputs, look))
        self.n_seen += len(inputs)
        if self.custom_detectors and self.n_seen % LESSON == 0:
            self._catch_up()
            for custom_detector in self.custom_detectors.values():
                custom_detector.learn()
        if self.n_seen == self._next_turn(self.n_seen - 1):
            self._catch_up()
            self._turn()

    def without(self, inputs: DetectorInputs, look: DetectorScores, position: int, usual: FloatArray) -> FloatArray:
        """Scores of one row with each feature in turn at its usual value, shape (F,)."""
        n = len(self.features)
        rows = np.repeat(inputs.rows[position : position + 1], n, axis=0)
        rows[np.arange(n), np.arange(n)] = usual
        return self._variants(rows, look, position)

    def look_at_variant(
        self, inputs: DetectorInputs, look: DetectorScores, position: int, silent: Sequence[str]
    ) -> DetectorScores:
        """Judge a row's variant, `sights` of one row, as it was judged itself; some detectors have no answer."""
        answers = self._variant_answers(inputs.rows, look, position)
        answers[:, self.detectors.index(OWN)] = _largest(inputs.own)
        for name in silent:
            answers[:, self.detectors.index(name)] = np.nan
        return self._judged(answers, None)

    def alone(self, inputs: DetectorInputs, look: DetectorScores, position: int, usual: FloatArray) -> FloatArray:
        """What each feature's value adds to the score of an otherwise usual row, shape (F,).

        For a row whose oddness several features share: leaving one of them out changes nothing.
        """
        n = len(self.features)
        rows = np.repeat(usual[np.newaxis], n + 1, axis=0)
        rows[np.arange(n), np.arange(n)] = inputs.rows[position]
        scores = self._variants(rows, look, position)
        added: FloatArray = scores[:n] - scores[n]
        return added

    def _variants(self, rows: FloatArray, look: DetectorScores, position: int) -> FloatArray:
        """Scores of variants of a row."""
        return self._judged(self._variant_answers(rows, look, position), None).score

    def _variant_answers(self, rows: FloatArray, look: DetectorScores, position: int) -> FloatArray:
        """Answers about variants of a row; those about its keys and its own baseline stay as they were."""
        answers: FloatArray = np.repeat(look.answers[position : position + 1], len(rows), axis=0)
        answers[:, self.detectors.index(CROWD)] = self.crowd.score_many(rows)
        if self.trees:
            answers[:, self.detectors.index(TREES)] = self._in_trees(self._leaves(rows), len(rows))
        for name, custom_detector in self.custom_detectors.items():
            answers[:, self.detectors.index(name)] = custom_detector.score_many(rows)
        return answers

    def own_without(self, inputs: DetectorInputs, look: DetectorScores, position: int) -> FloatArray:
        """Scores of one row with each deviation from the own baseline in turn left out, shape (k,)."""
        k = inputs.own.shape[1]
        own = np.repeat(inputs.own[position : position + 1], k, axis=0)
        own[np.arange(k), np.arange(k)] = np.nan
        answers = np.repeat(look.answers[position : position + 1], k, axis=0)
        answers[:, self.detectors.index(OWN)] = _largest(own)
        return self._judged(answers, None).score

    def _judged(self, answers: FloatArray, leaves: NDArray[np.intp] | None) -> DetectorScores:
        shares, column = self._tails.shares(answers), self.detectors.index(COMBINATION)
        shares[:, column] = _own_share(answers[:, column])
        combined = len(self.detectors) / row_sums(1.0 / shares)
        score = np.minimum(-np.log10(combined) / _DECADES, 1.0) if self.ready else np.full(len(answers), np.nan)
        return DetectorScores(score, shares, answers, leaves)

    def _answer(self, name: str, inputs: DetectorInputs, leaves: NDArray[np.intp] | None) -> FloatArray:
        if name == CROWD:
            return self.crowd.score_many(inputs.rows)
        if name == REPEAT:
            return self.repeat.score_many(inputs.exact)
        if name == TREES:
            return self._in_trees(leaves, len(inputs))
        if name == OWN:
            return _largest(inputs.own)
        if name in self.custom_detectors:
            return self.custom_detectors[name].score_many(inputs.rows)
        return self.combination.score_many(inputs.combinations)

    def _learn_waiting(self, waiting: list[tuple[DetectorInputs, DetectorScores]]) -> None:
        rows = np.concatenate([inputs.rows for inputs, _ in waiting])
        self.crowd.learn_many(rows)
        self.combination.learn_many(np.concatenate([inputs.combinations for inputs, _ in waiting]))
        leaves = [look.leaves for _, look in waiting if look.leaves is not None]
        if self.forest is not None and leaves:
            self.forest.count_located(np.concatenate(leaves, axis=1))
        answers = np.concatenate([look.answers for _, look in waiting])
        for column, name in enumerate(self.detectors):
            if name in self.tails:
                self.tails[name].learn_many(answers[:, column])
        for custom_detector in self.custom_detectors.values():
            custom_detector.keep(rows, self.n_seen - len(rows))

    def _turn(self) -> None:
        self.crowd.turn()
        self.combination.turn()
        for tails in self.tails.values():
            tails.turn()
        self._tails = self._side_by_side()
        if self.trees and self.forest is None and self.n_seen >= self.window and len(self.crowd.used):
            self._squash = self.crowd.centre, self.crowd.scale
            self._grow(self.crowd.used)

    def _next_stop(self, seen: int) -> int:
        turn = self._next_turn(seen)
        return min(turn, (seen // LESSON + 1) * LESSON) if self.custom_detectors else turn

    def _next_turn(self, seen: int) -> int:
        if seen >= self.window:
            return (seen // self.window + 1) * self.window
        step = max(self.window // _EARLY_TURNS, 1)
        return min((seen // step + 1) * step, self.window)

    def _grow(self, columns: NDArray[np.intp]) -> None:
        names = tuple(self.features[column] for column in columns)
        self._tree_columns = columns
        self.forest = HalfSpaceForest(
            names, n_trees=self.trees, height=self.height, window_size=self.window, seed=self.seed
        )

    def _leaves(self, rows: FloatArray) -> NDArray[np.intp] | None:
        if self.forest is None:
            return None
        seen = rows[:, self._tree_columns]
        if self._squash is not None:  # rows are in their own units
            centre, scale = (part[self._tree_columns] for part in self._squash)
            deviations = np.clip((seen - centre) * scale, -_FARTHEST, _FARTHEST)
            seen = 0.5 + 0.5 * deviations / (1.0 + np.abs(deviations))
        return self.forest.locate(np.ascontiguousarray(seen))

    def _in_trees(self, leaves: NDArray[np.intp] | None, n: int) -> FloatArray:
        if self.forest is None or leaves is None:
            return np.full(n, np.nan)
        return self.forest.score_located(leaves)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what the tails' samples give."""
        state = super().__getstate__()
        del state["_tails"]
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(state)
        self._tails = self._side_by_side()

    def _side_by_side(self) -> Tails:
        return Tails.of([self.tails.get(name) for name in self.detectors])


def _own_share(answers: FloatArray) -> FloatArray:
    """Answers that are shares already; no answer is no evidence."""
    shares: FloatArray = np.where(np.isnan(answers), 1.0, np.maximum(answers, SMALLEST))
    return shares


def _largest(own: FloatArray) -> FloatArray:
    """The largest deviation of each row; NaN where there is none."""
    if not own.shape[1]:
        return np.full(len(own), np.nan)
    largest: FloatArray = np.fmax.reduce(np.abs(own), axis=1)
    return largest

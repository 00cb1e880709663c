"""Which rows are unusual: for the population, and for the entity itself."""

from __future__ import annotations

from typing import Final

import numpy as np

from ubi_stream.features.stage import Featurized, Matrix
from ubi_stream.models.arrays import blocks
from ubi_stream.models.feedback.thresholds import Gate
from ubi_stream.models.half_space import HalfSpaceForest
from ubi_stream.models.quantile import OnlineQuantile
from ubi_stream.models.scores import Alert, Scores
from ubi_stream.packs.models import AnomalyModel

OWN_BASELINE: Final = ("amount_z", "latency_z", "activity_z", "hour_surprise")
"""Features that measure an entity against itself, in deviations (or bits)."""
_OWN_SCALE: Final = 5.0
"""Deviations at which the own baseline alone gives a score of 0.63."""


class AnomalyEnsemble:
    """Half-space trees on scaled features, and the entity's deviation from its own baseline.

    The two are merged as independent reasons for suspicion: `1 - (1 - forest) * (1 - own)`, in [0, 1].
    """

    def __init__(self, config: AnomalyModel, names: tuple[str, ...], watched: tuple[str, ...], *, seed: int) -> None:
        self.columns = np.array([names.index(name) for name in watched])
        self.own_columns = np.array([names.index(name) for name in OWN_BASELINE if name in names], dtype=np.intp)
        self.min_events = config.min_entity_events
        self.forest = HalfSpaceForest(
            watched, n_trees=config.trees, height=config.height, window_size=config.window, seed=seed
        )
        self.quantile = OnlineQuantile(1.0 - config.alert_rate, min_count=max(config.warm_up, 1))

    def run(self, batch: Featurized, rows: slice, events: Matrix, scores: Scores, peers: Matrix, gate: Gate) -> None:
        """Score rows, find those above their entity's threshold, explain them, and learn all."""
        window = self.forest.window_size
        for part in blocks(rows.stop - rows.start, self.forest.n_seen % window, window):
            start, stop = rows.start + part.start, rows.start + part.stop
            # The last row of a window turns the reference over when it is learned: it is scored and explained before.
            turns = (self.forest.n_seen + stop - start) % window == 0
            if stop - start > turns:
                self._run_part(batch, slice(start, stop - turns), events, rows.start, scores, peers, gate)
            if turns:
                self._run_part(batch, slice(stop - 1, stop), events, rows.start, scores, peers, gate)

    def _run_part(
        self, batch: Featurized, rows: slice, events: Matrix, offset: int, scores: Scores, peers: Matrix, gate: Gate
    ) -> None:
        watched = np.ascontiguousarray(batch.scaled[rows][:, self.columns])
        single = rows.stop - rows.start == 1
        forest = self._forest_scores(watched, single=single)
        own = self._own_scores(batch.values[rows])
        merged = 1.0 - (1.0 - forest) * (1.0 - own)
        scores.anomaly[rows] = merged
        thresholds = self.quantile.track_many(merged)
        known = events[rows.start - offset : rows.stop - offset] >= self.min_events
        for position in np.flatnonzero((merged > gate.floors(thresholds)) & known):
            row, quantile = rows.start + int(position), float(thresholds[position])
            threshold = gate.threshold(row, quantile)
            if merged[position] <= threshold:
                continue
            parts = self._explain(batch, row, watched[position], float(forest[position]), float(own[position]), peers)
            scores.alerts[row] = Alert(float(merged[position]), threshold, parts, quantile)
        if single:
            self.forest.learn_many(watched)

    def _forest_scores(self, watched: Matrix, *, single: bool) -> Matrix:
        """Score; and learn, unless the row must be explained before it is learned."""
        if not single:
            return self.forest.score_learn_many(watched)
        return self.forest.score_many(watched)

    def _own_scores(self, values: Matrix) -> Matrix:
        if not len(self.own_columns):
            return np.zeros(len(values))
        deviations = np.abs(np.nan_to_num(values[:, self.own_columns], nan=0.0))
        scores: Matrix = 1.0 - np.exp(-((deviations.max(axis=1) / _OWN_SCALE) ** 2))
        return scores

    def _explain(
        self, batch: Featurized, row: int, watched: Matrix, forest: float, own: float, peers: Matrix
    ) -> Matrix:
        """Share of each feature: the forest's by leaving it at its usual value, the own baseline's as a whole."""
        usual = np.where(np.isnan(batch.usual[row]), peers, batch.usual[row])
        reference = batch.scale(usual)[self.columns]
        parts = np.zeros(batch.values.shape[1])
        parts[self.columns] = np.nan_to_num(self.forest.contributions(watched, reference)) * (1.0 - own)
        if own > 0.0:
            deviations = np.abs(np.nan_to_num(batch.values[row, self.own_columns], nan=0.0))
            parts[self.own_columns[int(np.argmax(deviations))]] += own * (1.0 - forest)
        return parts

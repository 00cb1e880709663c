"""The score stage: each row is scored, then learned from, in the order of the events.

Everything here gives the same bits however the stream is cut into batches: a crash and a replay cut it differently.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ubi_stream.features.stage import Featurized, Featurizer, Matrix, unpack_kept
from ubi_stream.models.arrays import blocks
from ubi_stream.models.calibration import OnlineCalibrator
from ubi_stream.models.half_space import HalfSpaceForest
from ubi_stream.models.logistic import OnlineLogistic
from ubi_stream.models.peers import PeerBaseline
from ubi_stream.models.quality import RollingQuality
from ubi_stream.models.quantile import OnlineQuantile
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.schema import AnomalyModel, OutcomeModel

OWN_BASELINE: Final = ("amount_z", "latency_z", "activity_z", "hour_surprise")
"""Features that measure an entity against itself, in deviations (or bits)."""
_OWN_SCALE: Final = 5.0
"""Deviations at which the own baseline alone gives a score of 0.63."""

_PEERS_BLOCK: Final = 250
"""Events after which the peers' means are renewed."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An anomalous row, and what made it so.

    `parts` are signed shares of the score by feature, shape (features,); `threshold` is what the score was above.
    """

    score: float
    threshold: float
    parts: Matrix


@dataclass(slots=True)
class Scores:
    """Scores of a batch.

    Attributes
    ----------
    anomaly
        Shape (rows,), in [0, 1]; NaN while warming up.
    outcome
        Probability that the row's visit ends in a conversion, shape (rows,); NaN while warming up.
    alerts
        By row, those above the threshold in force.
    peers
        Mean features of all entities of the partition, by the row from which on they hold.
    """

    batch: Featurized
    anomaly: Matrix
    outcome: Matrix
    alerts: dict[int, Alert] = field(default_factory=dict)
    peers: list[tuple[int, Matrix]] = field(default_factory=list)

    def peers_at(self, row: int) -> Matrix:
        """Peers' mean features when the row was scored."""
        return next(mean for start, mean in reversed(self.peers) if start <= row)


class PartitionModels:
    """The models of one kind of entity in one partition. All of it is in the partition's snapshot.

    Attributes
    ----------
    n_seen
        Rows learned from.
    """

    def __init__(self, plan: Plan, featurizer: Featurizer, *, seed: int) -> None:
        names = featurizer.names
        self.n_seen = 0
        self.peers = PeerBaseline(len(names), block=_PEERS_BLOCK)
        self.anomaly: AnomalyEnsemble | None = None
        self.outcome: OutcomeClassifier | None = None
        if plan.pack.models.anomaly is not None:
            watched = plan.entity.anomaly_features or names
            self.anomaly = AnomalyEnsemble(plan.pack.models.anomaly, names, watched, seed=seed)
        if plan.pack.models.outcome is not None and plan.entity.key is None:
            self.outcome = OutcomeClassifier(plan.pack.models.outcome, names)

    def score_and_learn(self, batch: Featurized) -> Scores:
        """Score the new rows of a batch, each before it is learned from. Rows that are not new get NaN."""
        moments = [moment for moment, row in zip(batch.moments, batch.rows, strict=True) if row >= 0]
        # New rows come after all that are not: a replay ends once and for all.
        first_new = next((row for row, moment in enumerate(moments) if moment.new), len(moments))
        n = len(moments)
        scores = Scores(batch, np.full(n, np.nan), np.full(n, np.nan))
        if first_new < n:
            self._score_rows(batch, first_new, scores)
        if self.outcome is not None:
            self.outcome.run(batch, scores.outcome)
        self.n_seen += n - first_new
        return scores

    def _score_rows(self, batch: Featurized, first: int, scores: Scores) -> None:
        n = len(scores.anomaly)
        events = np.array([facts.events for facts in batch.facts])
        for part in blocks(n - first, self.peers.n_seen % _PEERS_BLOCK, _PEERS_BLOCK):
            start, stop = part.start + first, part.stop + first
            scores.peers.append((start, self.peers.mean))
            if self.anomaly is not None:
                self.anomaly.run(batch, slice(start, stop), events[start:stop], scores, self.peers.mean)
            self.peers.observe(batch.values[start:stop])


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

    def run(self, batch: Featurized, rows: slice, events: Matrix, scores: Scores, peers: Matrix) -> None:
        """Score rows, find those above the threshold, explain them, and learn all."""
        window = self.forest.window_size
        for part in blocks(rows.stop - rows.start, self.forest.n_seen % window, window):
            start, stop = rows.start + part.start, rows.start + part.stop
            # The last row of a window turns the reference over when it is learned: it is scored and explained before.
            turns = (self.forest.n_seen + stop - start) % window == 0
            if stop - start > turns:
                self._run_part(batch, slice(start, stop - turns), events, rows.start, scores, peers)
            if turns:
                self._run_part(batch, slice(stop - 1, stop), events, rows.start, scores, peers)

    def _run_part(
        self, batch: Featurized, rows: slice, events: Matrix, offset: int, scores: Scores, peers: Matrix
    ) -> None:
        watched = np.ascontiguousarray(batch.scaled[rows][:, self.columns])
        single = rows.stop - rows.start == 1
        forest = self._forest_scores(watched, single=single)
        own = self._own_scores(batch.values[rows])
        merged = 1.0 - (1.0 - forest) * (1.0 - own)
        scores.anomaly[rows] = merged
        thresholds = self.quantile.track_many(merged)
        known = events[rows.start - offset : rows.stop - offset] >= self.min_events
        for position in np.flatnonzero((merged > thresholds) & known):
            row = rows.start + int(position)
            parts = self._explain(batch, row, watched[position], float(forest[position]), float(own[position]), peers)
            scores.alerts[row] = Alert(float(merged[position]), float(thresholds[position]), parts)
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


class OutcomeClassifier:
    """Will this visit end in a conversion? Asked at every event before the first one, learned when the visit ends."""

    def __init__(self, config: OutcomeModel, names: tuple[str, ...]) -> None:
        self.model = OnlineLogistic(
            names,
            lr=config.learning_rate,
            l2=config.l2,
            min_labels=config.warm_up,
            min_per_class=config.min_per_class,
        )
        self.calibrator = OnlineCalibrator()
        self.quality = RollingQuality()

    def run(self, batch: Featurized, out: Matrix) -> None:
        """Go through the moments in order: learn from visits that ended, predict for rows."""
        waiting: list[int] = []
        for moment, row in zip(batch.moments, batch.rows, strict=True):
            if not moment.new:
                continue
            if moment.ended is not None and self._is_comparable(moment.ended.session.kept):
                self._predict(batch, waiting, out)
                session = moment.ended.session
                self._learn(batch.scale(unpack_kept(session.kept)), session.conversions > 0)
            if row >= 0:
                waiting.append(row)
        self._predict(batch, waiting, out)

    def _is_comparable(self, kept: bytes) -> bool:
        """Whether a row was kept, and by this version of the pack."""
        return len(unpack_kept(kept)) == len(self.model.features)

    def _predict(self, batch: Featurized, rows: list[int], out: Matrix) -> None:
        """Predict for rows among which nothing was learned."""
        if rows and self.model.ready:
            raw = self.model.predict_many(batch.scaled[rows])
            out[rows] = self.calibrator.transform_many(raw)
        rows.clear()

    def _learn(self, row: Matrix, converted: bool) -> None:
        raw = self.model.predict(row)
        if self.model.ready:
            self.quality.update(self.calibrator.transform(raw), converted)
        self.calibrator.learn(raw, converted)
        self.model.learn(row, converted)

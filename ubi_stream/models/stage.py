"""The score stage: each row is scored, then learned from, in the order of the events.

Everything here gives the same bits however the stream is cut into batches: a crash and a replay cut it differently.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ubi_stream.features.stage import Featurized, Featurizer
from ubi_stream.models.anomaly import AnomalyEnsemble
from ubi_stream.models.arrays import blocks
from ubi_stream.models.bandit import ArmChooser
from ubi_stream.models.outcomes.classifier import OutcomeClassifier
from ubi_stream.models.peers import PeerBaseline
from ubi_stream.models.scores import Scores
from ubi_stream.packs.plan import Plan

_PEERS_BLOCK: Final = 250
"""Events after which the peers' means are renewed."""


class PartitionModels:
    """The models of one kind of entity in one partition. All of it is in the partition's snapshot.

    Attributes
    ----------
    n_seen
        Rows learned from.
    choosers
        By segment, for those with several recommendations; they choose and learn when it is decided what is told.
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
        if plan.pack.models.outcome is not None and plan.outcomes:
            first = plan.outcomes[0].name
            self.outcome = OutcomeClassifier(plan.pack.models.outcome, first, names)

        self.choosers: dict[str, ArmChooser] = {}
        if (bandit := plan.pack.models.bandit) is not None and plan.entity.key is None:
            self.choosers = {
                segment.name: ArmChooser(bandit.policy, [a.action for a in segment.advice], explore=bandit.explore)
                for segment in plan.pack.segments
                if len(segment.advice) > 1
            }

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

"""The score stage: each row is scored, then learned from, in the order of the events.

Everything here gives the same bits however the stream is cut into batches: a crash and a replay cut it differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from zlib import crc32

import numpy as np

from ubi_stream.arrays import blocks
from ubi_stream.features.stage import Featurized, Featurizer
from ubi_stream.models.anomaly.peers import PeerBaseline
from ubi_stream.models.anomaly.segment_peers import SegmentPeers
from ubi_stream.models.anomaly.stage import AnomalyEnsemble
from ubi_stream.models.bandit import ArmChooser
from ubi_stream.models.change_waves import ChangeWatch
from ubi_stream.models.drift.stage import DriftStage
from ubi_stream.models.feedback.labels import Feedback, LabelSubject, Learned, Scaling
from ubi_stream.models.outcomes.stage import Outcomes
from ubi_stream.models.rate_change import find_change
from ubi_stream.models.scores import Scores
from ubi_stream.packs.plan import Plan
from ubi_stream.rules.frequency import FrequencyTable
from ubi_stream.rules.rule_watch import RuleWatch
from ubi_stream.state.stage import StateChange

_PEERS_BLOCK: Final = 250
"""Events after which the peers' usual values are renewed."""


class PartitionModels:
    """The models of one kind of entity in one partition. All of it is in the partition's snapshot.

    Attributes
    ----------
    n_seen
        Rows learned from.
    segment_rates, visit_rates
        How often segments still hold a day later, learned from when segments are assigned; and how often visits end in
        the class that they have.
    choosers
        By segment, for those with several recommendations; they choose and learn when it is decided what is told.
    segment_peers
        What is usual in each segment, where the pack compares within segments.
    """

    segment_peers: SegmentPeers | None = None

    def __init__(self, plan: Plan, featurizer: Featurizer, *, seed: int) -> None:
        names = featurizer.names
        self.n_seen = 0
        self.peers = PeerBaseline(len(names), block=_PEERS_BLOCK)
        if plan.parts.models.peers == "segment":
            self.segment_peers = SegmentPeers(len(names), _PEERS_BLOCK)
        self.feedback = Feedback(len(names))
        self.anomaly: AnomalyEnsemble | None = None
        self.segment_rates = FrequencyTable()
        self.visit_rates = FrequencyTable()
        self.outcomes = Outcomes(plan, names, seed=seed)
        if plan.parts.models.anomaly is not None:
            self.anomaly = AnomalyEnsemble(plan, featurizer.features, seed=seed)
        self.drift: DriftStage | None = None
        if plan.parts.models.drift is not None:
            self.drift = DriftStage(plan.parts.models.drift, plan, names, seed=seed)
        self.rule_watch = RuleWatch(plan.parts.rules, featurizer.rule_features)
        self.change_watch = ChangeWatch()
        self.choosers: dict[str, ArmChooser] = {}
        if (bandit := plan.parts.models.bandit) is not None:
            self.choosers = {
                segment.name: ArmChooser(bandit.policy, [a.action for a in segment.advice], explore=bandit.explore)
                for segment in plan.parts.segments
                if len(segment.advice) > 1
            }

    def score_and_learn(self, batch: Featurized, segments: Sequence[str]) -> Scores:
        """Score the new rows of a batch, each before it is learned from. Rows that are not new get NaN.

        `segments` are those of the entities after each change of the batch, "" is none.
        """
        changes = [change for change, row in zip(batch.changes, batch.rows, strict=True) if row >= 0]
        # New rows come after all that are not: a replay ends once and for all.
        first_new = next((row for row, change in enumerate(changes) if change.new), len(changes))
        n = len(changes)
        scores = Scores(batch, np.full(n, np.nan))
        if batch.changes and batch.changes[0].new:
            scores.learned = self._take_label(batch, batch.changes[0])
        if first_new < n:
            keys = [crc32(change.entity_id.encode()) for change in changes[first_new:]]
            self._score_rows(batch, changes, keys, scores)
            if self.segment_peers is not None:
                of_rows = [name for name, row in zip(segments, batch.rows, strict=True) if row >= 0]
                known = self.segment_peers.run(batch.values[first_new:], of_rows[first_new:], keys)
                scores.segment_peers = {row: one for row, one in enumerate(known, first_new) if one is not None}
            self._judge_alerts(scores)
            scores.rule_waves, scores.held = self.rule_watch.run(batch.checked, changes, first_new)
        found = ((position, find_change(history)) for position, history in batch.histories.items())
        habit_changes = {position: habit_change for position, habit_change in found if habit_change is not None}
        scores.change_waves, scores.habit_changes = self.change_watch.run(batch, habit_changes)
        scores.predictions = self.outcomes.run(batch, first_new, scores.peers_at)
        self.n_seen += n - first_new
        return scores

    def _take_label(self, batch: Featurized, change: StateChange) -> Learned | None:
        """Learn a person's label, if the moment is one: it is the first one of its batch."""
        event, labelled = change.event, batch.labelled
        if event is None or event.verdict is None or labelled is None:
            return None
        return self.feedback.take(
            event.verdict,
            LabelSubject(change.state.history, labelled),
            quantile=self.anomaly.quantile.value if self.anomaly is not None else None,
            scaling=Scaling(batch.scale, self.peers.usual),
            panels=self.outcomes.panels,
        )

    def _judge_alerts(self, scores: Scores) -> None:
        """Say how likely people are to confirm each alert, once they labelled any."""
        if not self.feedback.alert_precision.n_seen:
            return
        batch = scores.batch
        for row, alert in scores.alerts.items():
            deviations = Scaling(batch.scale, scores.peers_at(row)).deviations(batch.values[row])
            scores.alerts[row] = replace(alert, confirmed=self.feedback.alert_precision.probability(deviations))

    def _score_rows(self, batch: Featurized, changes: list[StateChange], keys: list[int], scores: Scores) -> None:
        """Score the new rows, the last ones; `keys` are the hashes of whose they are."""
        n, first = len(changes), len(changes) - len(keys)
        alert_thresholds = self.feedback.alert_thresholds(changes, first)
        passing = None if self.anomaly is None else self.anomaly.over(changes, alert_thresholds, scores)
        for part in blocks(n - first, self.peers.n_seen % _PEERS_BLOCK, _PEERS_BLOCK):
            start, stop = part.start + first, part.stop + first
            scores.peers.append((start, self.peers.usual, self.peers.typical))
            if self.anomaly is not None and passing is not None:
                self.anomaly.run(passing, slice(start, stop), self.peers)
            self.peers.observe(batch.values[start:stop], keys[part])
        if self.drift is not None:
            scores.drifts = self.drift.run(batch, changes, first, passing.inputs if passing else None)

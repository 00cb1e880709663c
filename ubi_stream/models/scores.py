"""What the models say about a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ubi_stream.features.stage import Featurized, Matrix
from ubi_stream.models.anomaly.alert_rate import Wave
from ubi_stream.models.drift.verdict import Drift
from ubi_stream.models.feedback.labels import Learned
from ubi_stream.models.outcomes.predictions import Predictions
from ubi_stream.models.rate_change import HabitChange
from ubi_stream.rules.waves import RuleWave


@dataclass(frozen=True, slots=True)
class Alert:
    """An anomalous row, and what made it so.

    Attributes
    ----------
    threshold, quantile
        What the score was above, and what that is before people's labels count.
    parts
        Signed shares of the score by feature, shape (features,).
    confirmed
        Probability that a person confirms the alert; None before any label.
    shares
        Each detector's share of earlier rows that were at least as odd, rarest first.
    n_seen
        Rows that the model had learned.
    one_in
        One in so many recent rows scored as high, of those that could alert: counted, half of them the last 20,000.
    held
        Whether it is part of a wave that is told of as a whole.
    notable, notable_parts
        The score of what is worth an alert in it, and its signed shares by feature:
        see `ubi_stream.models.anomaly.notable`.
    users_one_in
        One in so many active entities a day has an alert as notable.
    users_seen
        Entity-days that this was counted on.
    """

    score: float
    threshold: float
    parts: Matrix
    quantile: float
    confirmed: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    n_seen: int = 0
    one_in: float = 0.0
    held: bool = False
    notable: float = 0.0
    notable_parts: Matrix | None = None
    users_one_in: float = 0.0
    users_seen: int = 0

    @property
    def leading_detector(self) -> str:
        """The detector to which the row is rarest."""
        return next(iter(self.shares), "")


@dataclass(slots=True)
class Scores:
    """Scores of a batch.

    Attributes
    ----------
    anomaly
        Shape (rows,), in [0, 1]; NaN while warming up.
    alerts
        By row, those above the threshold in force.
    peers
        What is usual of the partition's entities, and typical of those who have any, by the row from which on it holds.
    waves
        Jumps of the alert rate that begin or end, by row.
    rule_waves
        Rules that many users meet at once, as it begins or is over, by row.
    held
        Row and rule that are not reported alone, because a wave is.
    drifts
        Figures of all entities that have another level, by the row that brings it to light.
    changes
        Changes of habits, by the position of the moment at which the entity's days were looked at.
    change_waves
        Changes in one direction of many users at once, as it begins or is over, by position of the moment.
    learned
        What a person's label brought about, where the first moment is one.
    predictions
        What the models of the pack's outcomes say.
    segment_peers
        By row, what is usual and typical in the entity's segment, where the pack compares within segments.
    """

    batch: Featurized
    anomaly: Matrix
    alerts: dict[int, Alert] = field(default_factory=dict)
    peers: list[tuple[int, Matrix, Matrix]] = field(default_factory=list)
    waves: dict[int, Wave] = field(default_factory=dict)
    drifts: dict[int, list[Drift]] = field(default_factory=dict)
    rule_waves: dict[int, list[RuleWave]] = field(default_factory=dict)
    held: set[tuple[int, int]] = field(default_factory=set)
    habit_changes: dict[int, HabitChange] = field(default_factory=dict)
    change_waves: dict[int, list[RuleWave]] = field(default_factory=dict)
    segment_peers: dict[int, tuple[Matrix, Matrix]] = field(default_factory=dict)
    learned: Learned | None = None
    predictions: Predictions = field(default_factory=Predictions)

    def peers_at(self, row: int) -> Matrix:
        """What was usual of the peers when the row was scored."""
        return next(usual for start, usual, _ in reversed(self.peers) if start <= row)

    def usual_at(self, row: int) -> Matrix:
        """What was usual of the peers in the entity's segment, where that is known; else of all peers."""
        return self._in_segment(row, 0, self.peers_at(row))

    def typical_at(self, row: int) -> Matrix:
        """What was typical of those peers who have any, when the row was scored; in the segment where that is known."""
        return self._in_segment(row, 1, next(typical for start, _, typical in reversed(self.peers) if start <= row))

    def _in_segment(self, row: int, place: int, of_all: Matrix) -> Matrix:
        own = self.segment_peers.get(row)
        return of_all if own is None else np.where(np.isnan(own[place]), of_all, own[place])

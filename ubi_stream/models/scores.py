"""What the models say about a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ubi_stream.features.stage import Featurized, Matrix
from ubi_stream.models.anomaly_rate import Wave
from ubi_stream.models.change import Change
from ubi_stream.models.drift.verdict import Drift
from ubi_stream.models.feedback.labels import Learned
from ubi_stream.models.outcomes.predictions import Predictions
from ubi_stream.models.rule_waves import RuleWave


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
    spoken
        What the score owes to the detector to which the row is rarest.
    n_seen
        Rows that the model had learned.
    one_in
        One in so many recent rows scored as high, of those that could alert: counted, half of them the last 20,000.
    combination
        The event's discrete values in words.
    held
        Whether it is part of a wave that is told of as a whole.
    """

    score: float
    threshold: float
    parts: Matrix
    quantile: float
    confirmed: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    spoken: float = 0.0
    n_seen: int = 0
    one_in: float = 0.0
    combination: str = ""
    held: bool = False

    @property
    def speaker(self) -> str:
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
        Mean features of all entities of the partition, by the row from which on they hold.
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
    learned
        What a person's label brought about, where the first moment is one.
    predictions
        What the models of the pack's outcomes say.
    """

    batch: Featurized
    anomaly: Matrix
    alerts: dict[int, Alert] = field(default_factory=dict)
    peers: list[tuple[int, Matrix]] = field(default_factory=list)
    waves: dict[int, Wave] = field(default_factory=dict)
    drifts: dict[int, list[Drift]] = field(default_factory=dict)
    rule_waves: dict[int, list[RuleWave]] = field(default_factory=dict)
    held: set[tuple[int, int]] = field(default_factory=set)
    changes: dict[int, Change] = field(default_factory=dict)
    learned: Learned | None = None
    predictions: Predictions = field(default_factory=Predictions)

    def peers_at(self, row: int) -> Matrix:
        """Peers' mean features when the row was scored."""
        return next(mean for start, mean in reversed(self.peers) if start <= row)

"""What the models say about a batch."""

from __future__ import annotations

from dataclasses import dataclass, field

from ubi_stream.features.stage import Featurized, Matrix
from ubi_stream.models.feedback.labels import Learned


@dataclass(frozen=True, slots=True)
class Alert:
    """An anomalous row, and what made it so.

    `parts` are signed shares of the score by feature, shape (features,); `threshold` is what the score was above,
    `quantile` what it is before people's labels count; `confirmed` is the probability that a person confirms the alert,
    None before any label.
    """

    score: float
    threshold: float
    parts: Matrix
    quantile: float
    confirmed: float | None = None


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
    learned
        What a person's label brought about, where the first moment is one.
    """

    batch: Featurized
    anomaly: Matrix
    outcome: Matrix
    alerts: dict[int, Alert] = field(default_factory=dict)
    peers: list[tuple[int, Matrix]] = field(default_factory=list)
    learned: Learned | None = None

    def peers_at(self, row: int) -> Matrix:
        """Peers' mean features when the row was scored."""
        return next(mean for start, mean in reversed(self.peers) if start <= row)

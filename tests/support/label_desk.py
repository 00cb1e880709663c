"""One entity, its partition, and a person who labels."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np

from support.probe import START_MS
from ubi_stream.arrays import FloatArray
from ubi_stream.events.verdict import Label
from ubi_stream.features.stage import Labelled, Matrix
from ubi_stream.ids import short_hash
from ubi_stream.models.feedback.labels import Feedback, LabelSubject, Learned, Scaling
from ubi_stream.models.feedback.thresholds import (
    own_shift,
)
from ubi_stream.state.history import DeliveredInsight, InsightHistory

QUANTILE = 0.7
ROW = (0.9, 0.1, float("nan"))


def insight(number: int) -> str:
    return str(UUID(int=number))


def delivered(number: int, score: float = 0.9, outcome: str = "", row: tuple[float, ...] = ROW) -> DeliveredInsight:
    return DeliveredInsight(short_hash(insight(number)), outcome, score, QUANTILE, array("f", row).tobytes())


class CountingPanel:
    """Remembers what it was taught; its probability is the share of positive weight."""

    def __init__(self) -> None:
        self.learned: list[tuple[tuple[float, ...], bool, float]] = []

    def predict(self, row: FloatArray) -> float | None:
        weights = sum(weight for _, _, weight in self.learned)
        return sum(weight for _, positive, weight in self.learned if positive) / weights if weights else None

    def learn(self, row: FloatArray, positive: bool, weight: float = 1.0) -> None:
        self.learned.append((tuple(np.nan_to_num(row, nan=-1.0).round(4).tolist()), positive, weight))


def identity(values: Matrix) -> Matrix:
    return values


@dataclass
class Desk:
    """One entity and its partition, and a person who labels."""

    feedback: Feedback = field(default_factory=lambda: Feedback(len(ROW)))
    history: InsightHistory = field(default_factory=InsightHistory)
    panel: CountingPanel = field(default_factory=CountingPanel)
    at_ms: int = START_MS
    events: int = 10
    newest: Matrix | None = field(default_factory=lambda: np.array([0.2, 0.3, 0.4]))

    def label(
        self,
        number: int | None,
        positive: bool,
        *,
        weight: float = 1.0,
        outcome: str | None = None,
        quantile: float | None = QUANTILE,
    ) -> Learned:
        return self.feedback.take(
            Label(None if number is None else insight(number), outcome, positive, weight),
            LabelSubject(self.history, Labelled(self.events, self.at_ms, self.newest)),
            quantile=quantile,
            scaling=Scaling(identity, np.full(len(ROW), 0.5)),
            panels={"churned": self.panel},
        )

    def rows_pass(self, count: int) -> None:
        self.feedback.alert_thresholds([], -count)

    @property
    def own(self) -> float:
        return own_shift(self.history, self.at_ms)

    def threshold(self) -> float:
        """The entity's, by a label that is known already."""
        return self.label(1, self.history.applied_labels[0].positive).threshold.after or 0.0


def desk_of_one() -> Desk:
    """A desk with one insight to label, number 1."""
    made = Desk()
    made.history.remember(delivered(1))
    return made

"""Predicts an outcome, and learns from those that became known."""

from __future__ import annotations

from ubi_stream.features.stage import Featurized, Matrix, unpack_kept
from ubi_stream.models.calibration import OnlineCalibrator
from ubi_stream.models.logistic import OnlineLogistic
from ubi_stream.models.quality import RollingQuality
from ubi_stream.packs.models import OutcomeModel


class OutcomeClassifier:
    """Will it happen? Predicted at every event, learned from the events that were asked at when the answer is known."""

    def __init__(self, config: OutcomeModel, outcome: str, names: tuple[str, ...]) -> None:
        self.outcome = outcome
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
        """Go through the moments in order: learn from answers, predict for rows."""
        waiting: list[int] = []
        for moment, row in zip(batch.moments, batch.rows, strict=True):
            if not moment.new:
                continue
            for answer in moment.answers:
                question = answer.question
                if question.outcome == self.outcome and self._is_comparable(question.row):
                    self._predict(batch, waiting, out)
                    self._learn(batch.scale(unpack_kept(question.row)), answer.positive)
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

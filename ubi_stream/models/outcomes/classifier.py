"""Predicts the outcome of visits, and learns from those that ended."""

from __future__ import annotations

from ubi_stream.features.stage import Featurized, Matrix, unpack_kept
from ubi_stream.models.calibration import OnlineCalibrator
from ubi_stream.models.logistic import OnlineLogistic
from ubi_stream.models.quality import RollingQuality
from ubi_stream.packs.models import OutcomeModel


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

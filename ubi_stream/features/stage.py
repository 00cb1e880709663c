"""The featurize stage: moments become rows of numbers, right when each happens."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ubi_stream.features.facts import Facts, facts_of
from ubi_stream.features.registry import MISSING, Feature, select_features
from ubi_stream.packs.plan import Plan
from ubi_stream.packs.schema import LABEL_TYPE
from ubi_stream.state.model import UserState
from ubi_stream.state.stage import Moment

Matrix = NDArray[np.float64]

NO_ROW = -1


@dataclass(frozen=True, slots=True)
class Featurized:
    """A batch of moments and the features of those that are behaviour.

    Attributes
    ----------
    moments
        All moments in order.
    rows
        For each moment its row in the matrices, or `NO_ROW` (silences and labels have none).
    values, usual
        Shape (rows, features): the feature, and the entity's own usual value of it; NaN where there is none.
    scaled
        The same shape: features in [0, 1] by their registered range and scale.
    facts
        Figures of each row that models need whatever features a pack lists.
    scale
        Maps feature values to [0, 1] as `scaled` has them.
    """

    moments: list[Moment]
    rows: list[int]
    values: Matrix
    usual: Matrix
    scaled: Matrix
    facts: list[Facts]
    scale: Callable[[Matrix], Matrix]


class Featurizer:
    """Extracts a pack's features for one kind of entity.

    Attributes
    ----------
    names
        Features in the order of the matrices' columns.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.features: tuple[Feature, ...] = select_features(plan.entity.features, plan.entity.windows)
        self.names = tuple(feature.name for feature in self.features)
        self._extract = tuple(feature.extract for feature in self.features)
        self._usual = tuple((i, feature.usual) for i, feature in enumerate(self.features) if feature.usual)
        self._is_log = np.array([feature.scale == "log" for feature in self.features])
        low, high = (np.array([getattr(f, bound) for f in self.features]) for bound in ("low", "high"))
        self._low = np.where(self._is_log, np.log1p(np.maximum(low, 0)), low)
        self._span = np.where(self._is_log, np.log1p(np.maximum(high, 0)), high) - self._low
        self._keeps_rows = plan.pack.models.outcome is not None and plan.entity.key is None

    def featurize(self, moments: Iterable[Moment]) -> Featurized:
        """Rows of a batch. Pulls the moments one by one: each row is the state right after its event."""
        kept: list[Moment] = []
        rows: list[int] = []
        values: list[list[float]] = []
        usual: list[list[float]] = []
        facts: list[Facts] = []
        width = len(self.features)
        for moment in moments:
            kept.append(moment)
            if moment.event is None or moment.event.event_type == LABEL_TYPE:
                rows.append(NO_ROW)
                continue
            rows.append(len(values))
            row = self._row(moment.state, moment.at_ms)
            values.append(row)
            usual.append(self._usual_row(moment.state, moment.at_ms))
            facts.append(facts_of(moment.state, moment.at_ms, self._plan))
            if self._keeps_rows:
                self._keep_for_outcome(moment, row)
        matrix = np.array(values, dtype=np.float64).reshape(len(values), width)
        usual_matrix = np.array(usual, dtype=np.float64).reshape(len(values), width)
        return Featurized(kept, rows, matrix, usual_matrix, self.scale(matrix), facts, self.scale)

    def scale(self, values: Matrix) -> Matrix:
        """Map features to [0, 1], elementwise; NaN stays NaN."""
        with np.errstate(invalid="ignore"):
            logs = np.where(self._is_log, np.log1p(np.maximum(values, 0)), values)
        scaled: Matrix = np.clip((logs - self._low) / self._span, 0.0, 1.0)
        return scaled

    def _row(self, state: UserState, at_ms: int) -> list[float]:
        plan = self._plan
        return [extract(state, at_ms, plan) for extract in self._extract]

    def _usual_row(self, state: UserState, at_ms: int) -> list[float]:
        row = [MISSING] * len(self.features)
        for index, extract in self._usual:
            row[index] = extract(state, at_ms, self._plan)
        return row

    def _keep_for_outcome(self, moment: Moment, row: list[float]) -> None:
        """Keep the row of one event of the visit, for when its outcome is known.

        The one with the smallest hash of its id: every event before the first conversion is as likely as another, and
        a replay keeps the same one.
        """
        session = moment.state.session
        if session.conversions == 0 and (not session.kept or moment.event_hash < session.kept_hash):
            session.kept_hash = moment.event_hash
            session.kept = array("f", row).tobytes()


def unpack_kept(kept: bytes) -> Matrix:
    """The row kept for a visit's outcome: feature values, rounded to 32 bits."""
    return np.frombuffer(kept, dtype=np.float32).astype(np.float64)

"""Feeds the rows of a batch to the drift watch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ubi_stream.features.stage import Featurized
from ubi_stream.models.anomaly_keys import Combinations
from ubi_stream.models.drift.of_packs import feature_watches
from ubi_stream.models.drift.subjects import Rows
from ubi_stream.models.drift.watch import Drift, DriftWatch
from ubi_stream.models.oddness.sights import Sights
from ubi_stream.packs.models import DriftModel
from ubi_stream.packs.plan import Plan
from ubi_stream.state.stage import Moment


class DriftStage:
    """The drift watch of a partition, over the features that the anomaly model looks at.

    Attributes
    ----------
    watch
        The watch itself.
    """

    def __init__(self, config: DriftModel, plan: Plan, names: tuple[str, ...], *, seed: int) -> None:
        watched = plan.entity.anomaly_features or names
        self._columns = np.array([names.index(name) for name in watched])
        self._combinations = Combinations(plan)
        further = feature_watches(plan.pack.models, watched, seed=seed)
        self.watch = DriftWatch(config, self._combinations, watched, further)

    def run(
        self, batch: Featurized, moments: Sequence[Moment], first: int, sights: Sights | None
    ) -> dict[int, list[Drift]]:
        """Take in the rows of a batch from `first` on; returns the drifts that come to light, by row.

        Parameters
        ----------
        moments
            Those that have a row, in order.
        sights
            What the anomaly model sees of all rows, where there is one: the same features and keys.
        """
        rows = Rows(
            [moment.watermark_ms for moment in moments[first:]],
            self._combinations.keys(moments[first:], batch.facts[first:])
            if sights is None
            else sights.combinations[first:],
            [facts.first_in_pane for facts in batch.facts[first:]],
            batch.scaled[first:, self._columns] if sights is None else sights.rows[first:],
        )
        return {first + row: drifts for row, drifts in self.watch.watch(rows).items()}

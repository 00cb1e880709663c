"""Feeds the rows of a batch to the drift watch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ubi_stream.features.stage import Featurized
from ubi_stream.models.anomaly_keys import Combinations
from ubi_stream.models.drift.of_packs import feature_watches
from ubi_stream.models.drift.subjects import Rows
from ubi_stream.models.drift.watch import Drift, DriftWatch
from ubi_stream.models.oddness.noise import Keys
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
        self, batch: Featurized, moments: Sequence[Moment], first: int, keys: Keys | None
    ) -> dict[int, list[Drift]]:
        """Take in the rows of a batch from `first` on; returns the drifts that come to light, by row.

        Parameters
        ----------
        moments
            Those that have a row, in order.
        keys
            Keys of the rows' discrete values, where they are known already.
        """
        rows = Rows(
            np.array([moment.watermark_ms for moment in moments[first:]], dtype=np.int64),
            self._combinations.keys(moments[first:], batch.facts[first:]) if keys is None else keys[first:],
            np.array([facts.first_in_pane for facts in batch.facts[first:]], dtype=np.bool_),
            batch.scaled[first:, self._columns],
        )
        return {first + row: drifts for row, drifts in self.watch.watch(rows).items()}

"""Feeds the rows of a batch to the drift watch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ubi_stream.features.event_context import EventContext
from ubi_stream.features.stage import Featurized
from ubi_stream.models.anomaly.combinations import Combinations
from ubi_stream.models.anomaly.inputs import DetectorInputs
from ubi_stream.models.drift.metrics import MetricRows
from ubi_stream.models.drift.occasions import TrackedRows
from ubi_stream.models.drift.pack_detectors import feature_watches
from ubi_stream.models.drift.tracking import TrackingWatch
from ubi_stream.models.drift.verdict import Drift
from ubi_stream.models.drift.watch import DriftWatch
from ubi_stream.packs.models import DriftModel
from ubi_stream.packs.plan import OTHER_TYPE, Plan
from ubi_stream.state.panes import DAY_MS, HOUR_MS
from ubi_stream.state.stage import StateChange


class DriftStage:
    """The drift watch of a partition, over the features that the anomaly model looks at.

    Attributes
    ----------
    watch
        Compares blocks of events with what is usual.
    tracking
        Tests whether tracking broke.
    """

    def __init__(self, config: DriftModel, plan: Plan, names: tuple[str, ...], *, seed: int) -> None:
        watched = plan.entity.anomaly_features or names
        self._columns = np.array([names.index(name) for name in watched])
        self._combinations = Combinations(plan)
        further = feature_watches(plan.parts.models, watched, seed=seed)
        self.watch = DriftWatch(config, self._combinations, watched, further)
        self._quiet_until_ms = -1
        self._types, self._other = plan.type_index, len(plan.type_index)
        types = (*plan.type_index, OTHER_TYPE)
        self.tracking = TrackingWatch(types, warm_up_ms=round(config.warm_up_h * HOUR_MS))

    def run(
        self, batch: Featurized, changes: Sequence[StateChange], first: int, inputs: DetectorInputs | None
    ) -> dict[int, list[Drift]]:
        """Take in the rows of a batch from `first` on; returns the drifts that come to light, by row.

        Parameters
        ----------
        moments
            Those that have a row, in order.
        sights
            What the anomaly model sees of all rows, where there is one: the same features and keys.
        """
        new, context = changes[first:], batch.context[first:]
        watermarks_ms = [change.watermark_ms for change in new]
        found = self.tracking.watch(self._tracked(new, context, watermarks_ms))
        rows = MetricRows(
            watermarks_ms,
            self._combinations.keys(new, context) if inputs is None else inputs.combinations[first:],
            [known.first_in_pane for known in context],
            batch.scaled[first:, self._columns] if inputs is None else inputs.rows[first:],
        )
        return {first + row: drifts for row, drifts in self._by_cause(watermarks_ms, found, self.watch.watch(rows))}

    def _by_cause(
        self, watermarks_ms: Sequence[int], broken: dict[int, list[Drift]], moved: dict[int, list[Drift]]
    ) -> Iterator[tuple[int, list[Drift]]]:
        """Drifts in the order of their rows; what moves in the day after tracking broke is its consequence."""
        for row in sorted({*broken, *moved}):
            drifts = broken.get(row, [])
            if drifts:
                self._quiet_until_ms = watermarks_ms[row] + DAY_MS
            elif watermarks_ms[row] >= self._quiet_until_ms:
                drifts = moved[row]
            if drifts:
                yield row, drifts

    def _tracked(
        self, changes: Sequence[StateChange], context: Sequence[EventContext], watermarks_ms: Sequence[int]
    ) -> TrackedRows:
        types, other = self._types, self._other
        events = [change.event for change in changes if change.event is not None]
        return TrackedRows(
            watermarks_ms,
            [change.at_ms for change in changes],
            [types.get(event.event_type, other) for event in events],
            [change.entity_id for change in changes],
            context,
            [event.properties for event in events],
            [event.session_id for event in events],
        )

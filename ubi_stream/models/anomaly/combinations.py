"""The discrete side of an event: its type, the part of the day, and which properties came with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ubi_stream.features.event_context import EventContext
from ubi_stream.models.anomaly.noise import Keys
from ubi_stream.models.anomaly.recurrence import GROUPS
from ubi_stream.packs.plan import Plan
from ubi_stream.state.stage import StateChange

_BAND_H: Final = 4
"""Hours of a part of the day, which is the group in which a combination is rare or not."""


class Combinations:
    """Combines type and presence of the pack's properties into one key, grouped by the part of the user's local day.

    Attributes
    ----------
    types
        Event types, in the order of their indexes.
    properties
        Whose presence counts.
    """

    def __init__(self, plan: Plan) -> None:
        self._index = dict(plan.type_index)
        self.types = tuple(plan.type_index)
        self._other = plan.other_type
        self._zone = plan.default_timezone
        self.properties = tuple(name for name in (plan.category, plan.amount, plan.latency) if name is not None)

    def keys(self, changes: Sequence[StateChange], context: Sequence[EventContext]) -> Keys:
        """The key of each row's event, shape (n,)."""
        types, other, properties = self._index, self._other, self.properties
        keys = []
        for change, known in zip(changes, context, strict=True):
            event = change.event
            assert event is not None, "a row is made of an event"
            key, given = types.get(event.event_type, other), event.properties
            for name in properties:
                key = 2 * key + (given.get(name) is not None)
            keys.append(key * GROUPS + max(known.hour, 0) // _BAND_H)
        return np.array(keys, dtype=np.uint64)

    def split(self, keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Type index of each key, shape (n,), and whether each property was there, shape (n, properties)."""
        codes = keys.astype(np.int64) // GROUPS
        n = len(self.properties)
        present = np.empty((len(codes), n), dtype=np.bool_)
        for column in range(n):
            present[:, column] = codes >> (n - 1 - column) & 1
        return codes >> n, present

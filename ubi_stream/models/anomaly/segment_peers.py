"""What is usual among the entities of each segment: a power user is compared with power users."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ubi_stream.arrays import FloatArray
from ubi_stream.models.anomaly.peers import PeerBaseline

Usual = tuple[FloatArray, FloatArray]
"""Usual and typical values of each feature, NaN where none are known: see `PeerBaseline`."""


class SegmentPeers:
    """A `PeerBaseline` for each segment.

    Each row is taken in after its own values were given, so they depend on the rows before it alone.

    Parameters
    ----------
    n_features
        Number of columns.
    block
        Events of a segment after which its values are renewed.
    """

    def __init__(self, n_features: int, block: int) -> None:
        self._n_features = n_features
        self._block = block
        self._baselines: dict[str, PeerBaseline] = {}
        self._usual: dict[str, Usual] = {}

    def run(self, values: FloatArray, segments: Iterable[str], entities: Iterable[int]) -> list[Usual | None]:
        """Return what is usual in the segment of each row, None where it is not known; and take the rows in.

        Parameters
        ----------
        values
            Rows of shape (n, F), in order.
        segments, entities
            Name of each row's segment ("" is none), and the hash of whose row it is.
        """
        found: list[Usual | None] = []
        for row, segment, entity in zip(values, segments, entities, strict=True):
            found.append(self._usual.get(segment))
            if not segment:
                continue
            baseline = self._baselines.get(segment)
            if baseline is None:
                baseline = self._baselines[segment] = PeerBaseline(self._n_features, self._block)
            baseline.observe(row[np.newaxis], [entity])
            if baseline.n_seen % self._block == 0:
                self._usual[segment] = (baseline.usual, baseline.typical)
        return found

"""What is usual among the entities of each segment: a power user is compared with power users."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ubi_stream.arrays import FloatArray, blocks
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

    def run(self, values: FloatArray, segments: Iterable[str], entities: Sequence[int]) -> list[Usual | None]:
        """Return what is usual in the segment of each row, None where it is not known; and take the rows in.

        Parameters
        ----------
        values
            Rows of shape (n, F), in order.
        segments, entities
            Name of each row's segment ("" is none), and the hash of whose row it is.
        """
        found: list[Usual | None] = [None] * len(values)
        places_of: dict[str, list[int]] = {}
        for place, segment in enumerate(segments):
            if segment:
                places_of.setdefault(segment, []).append(place)
        for segment, places in places_of.items():
            baseline = self._baselines.get(segment)
            if baseline is None:
                baseline = self._baselines[segment] = PeerBaseline(self._n_features, self._block)
            for part in blocks(len(places), baseline.n_seen % self._block, self._block):
                rows, usual = places[part], self._usual.get(segment)
                for row in rows:
                    found[row] = usual
                baseline.observe(values[rows], [entities[row] for row in rows])
                if baseline.n_seen % self._block == 0:
                    self._usual[segment] = (baseline.usual, baseline.typical)
        return found

"""What of an odd row is worth a person's time: the row without its harmless sides.

A page that is faster than usual, a quiet hour, a login at night: rare, and nobody would do anything about it. So an
alert is scored again, with each feature that is odd in a harmless direction at its usual value, and without the
detectors of rare combinations and of repeats.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ubi_stream.arrays import FloatArray
from ubi_stream.features.registry import Feature
from ubi_stream.models.anomaly.ensemble import COMBINATION, REPEAT, DetectorEnsemble
from ubi_stream.models.anomaly.inputs import DetectorInputs, DetectorScores


class Directions:
    """Which side of the usual is worth an alert, for each of some features."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._above = np.array([feature.notable in ("high", "both") for feature in features])
        self._below = np.array([feature.notable in ("low", "both") for feature in features])

    def harmless(self, values: FloatArray, usual: FloatArray) -> NDArray[np.bool_]:
        """Whether each value is on a harmless side of the usual one; one that is missing is, shape (F,).

        What nothing is known to be usual of counts as notable.
        """
        unknown = np.isnan(usual) & ~np.isnan(values)
        notable = (self._above & (values > usual)) | (self._below & (values < usual)) | (unknown & self._either)
        harmless: NDArray[np.bool_] = ~notable
        return harmless

    @property
    def _either(self) -> NDArray[np.bool_]:
        either: NDArray[np.bool_] = self._above | self._below
        return either


def without_harmless(
    blend: DetectorEnsemble,
    inputs: DetectorInputs,
    look: DetectorScores,
    position: int,
    usual: FloatArray,
    harmless: NDArray[np.bool_],
) -> tuple[DetectorInputs, DetectorScores]:
    """One row as it would be without its harmless sides, and what the detectors say about that.

    Parameters
    ----------
    usual
        What is usual, on the row's scale, shape (F,).
    harmless
        Of the row's features, then of its deviations from the own baseline, shape (F + k,).
    """
    width = len(usual)
    row = np.where(harmless[:width], usual, inputs.rows[position])
    own = np.where(harmless[width:], np.nan, inputs.own[position])
    alone = DetectorInputs(row[np.newaxis], own[np.newaxis], inputs.combinations[:1], inputs.exact[:1])
    return alone, blend.look_at_variant(alone, look, position, silent=(COMBINATION, REPEAT))

"""Why an insight was told: signed contributions of named features, and one plain sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from ubi_stream.features.stage import Matrix
from ubi_stream.insights.model import Contribution
from ubi_stream.models.scorer import Scores
from ubi_stream.models.segment import Conditions

MAX_CONTRIBUTIONS: Final = 5
"""More than a person reads."""


class Explainer:
    """Turns columns of numbers into named contributions."""

    def __init__(self, names: Sequence[str], units: Sequence[str]) -> None:
        self._names = tuple(names)
        self._units = dict(zip(names, units, strict=True))

    def contributions(self, scores: Scores, row: int, parts: Matrix) -> tuple[Contribution, ...]:
        """The strongest features of a score: `parts` holds the signed share of each, shape (features,)."""
        strongest = sorted(np.flatnonzero(parts), key=lambda column: (-abs(parts[column]), column))
        return self._named(scores, row, ((int(c), float(parts[c])) for c in strongest[:MAX_CONTRIBUTIONS]))

    def of_conditions(self, scores: Scores, row: int, conditions: Conditions) -> tuple[Contribution, ...]:
        """The features of conditions that hold; each contributes how far it is past its threshold."""
        parts: dict[int, float] = {}
        for column, distance in conditions.distances(scores.batch.values[row]):
            parts[column] = min(distance, parts.get(column, distance))
        return self._named(scores, row, parts.items())

    def values(self, scores: Scores, row: int) -> dict[str, float]:
        """Features of a row by name: what a pack's sentence may use."""
        return dict(zip(self._names, scores.batch.values[row].tolist(), strict=True))

    def phrase(self, contribution: Contribution) -> str:
        """A contribution in words: `recency s 3 seconds (usually 240)`."""
        value, usual = contribution.value, contribution.usual
        name = contribution.feature.replace("_", " ")
        text = (
            f"{name} is missing" if value is None else f"{name} is {short(value)} {self._units[contribution.feature]}"
        )
        if usual is not None:
            return f"{text} (usually {short(usual)})"
        return text if contribution.peers is None else f"{text} (others {short(contribution.peers)})"

    def _named(self, scores: Scores, row: int, parts: Iterable[tuple[int, float]]) -> tuple[Contribution, ...]:
        batch, peers = scores.batch, scores.peers_at(row)
        return tuple(
            Contribution(
                feature=self._names[column],
                value=_number(batch.values[row, column]),
                contribution=part,
                usual=_number(batch.usual[row, column]),
                peers=_number(peers[column]),
            )
            for column, part in parts
        )


def short(value: float) -> str:
    """A number as a person writes it: three significant digits, no exponent.

    >>> short(1234.5678), short(0.01234), short(3.0)
    ('1235', '0.0123', '3')
    """
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if value == 0 or abs(value) >= 1e-4 else f"{value:.1e}"


def _number(value: float) -> float | None:
    """A number of an array as JSON knows it: NaN is None."""
    return None if np.isnan(value) else float(value)

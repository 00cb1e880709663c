"""Why an insight was told: signed contributions of named features, and one plain sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from typing import Final

import numpy as np

from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import Matrix
from ubi_stream.insights.model import Contribution
from ubi_stream.models.scores import Scores
from ubi_stream.models.segment import Conditions
from ubi_stream.packs.texts import Texts

MAX_CONTRIBUTIONS: Final = 5
"""More than a person reads."""
SPOKEN_UNITS: Final = frozenset(("ms", "seconds", "minutes", "days", "deviations", "bits"))
"""Units that a number is not clear without; the others stand in the feature's title."""


class Explainer:
    """Turns columns of numbers into named contributions."""

    def __init__(self, features: Sequence[Feature], texts: Texts) -> None:
        self._texts = texts
        self._names = tuple(feature.name for feature in features)
        self._features = {feature.name: feature for feature in features}

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

    def reasons(self, contributions: Iterable[Contribution]) -> str:
        """Contributions in words, one after another."""
        return self._texts.separator.join(map(self.phrase, contributions))

    def title(self, name: str) -> str:
        """What a feature is called; a name that is none of the entity's features stays as it is."""
        feature = self._features.get(name)
        return self._texts.features.get(name, name.replace("_", " ") if feature is None else feature.title)

    def phrase(self, contribution: Contribution) -> str:
        """A contribution in words: `events in an hour: 40 (usually 3)`."""
        feature, texts = self._features[contribution.feature], self._texts
        title = self.title(feature.name)

        def say(value: float | None) -> str:
            return texts.unknown if value is None else in_words(value, feature.unit, texts)

        value = say(contribution.value)
        if contribution.usual is not None:
            return texts.feature_usual.format(feature=title, value=value, usual=say(contribution.usual))
        if contribution.peers is not None:
            return texts.feature_peers.format(feature=title, value=value, peers=say(contribution.peers))
        return texts.feature.format(feature=title, value=value)

    def _named(self, scores: Scores, row: int, parts: Iterable[tuple[int, float]]) -> tuple[Contribution, ...]:
        batch, peers = scores.batch, scores.peers_at(row)
        return tuple(
            Contribution(
                feature=self._names[column],
                value=_number(batch.values.item(row, column)),
                contribution=part,
                usual=_number(batch.usual.item(row, column)),
                peers=_number(peers.item(column)),
            )
            for column, part in parts
        )


def in_words(value: float, unit: str, texts: Texts) -> str:
    """A value with its unit, as a person says it.

    >>> shown = (0.609, "share"), (3, "events"), (412.4, "ms"), (1, "0 or 1"), (12.5, "minutes"), (0.55, "minutes")
    >>> [in_words(value, unit, Texts()) for value, unit in shown]
    ['61 %', '3', '412 ms', 'yes', '12.5 minutes', '33 seconds']
    """
    if unit == "minutes" and 0.0 < abs(value) < 1.0:
        value, unit = round(60.0 * value, 1), "seconds"
    if unit == "share":
        return f"{100 * value:.0f} %"
    if unit == "0 or 1" and value in (0.0, 1.0):
        return texts.yes if value else texts.no
    return f"{short(value)} {texts.units.get(unit, unit)}" if unit in SPOKEN_UNITS else short(value)


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
    return None if isnan(value) else value

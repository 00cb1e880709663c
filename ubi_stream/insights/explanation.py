"""Why an insight was told: signed contributions of named features, and one plain sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isnan
from typing import Final

import numpy as np

from ubi_stream.features.registry import Feature
from ubi_stream.features.stage import Matrix
from ubi_stream.insights.claims import OPPOSITE, BoundIs, Claim, compared
from ubi_stream.insights.model import Contribution
from ubi_stream.insights.wording import in_words
from ubi_stream.models.scores import Scores
from ubi_stream.packs.base import Operator
from ubi_stream.packs.texts import Texts
from ubi_stream.rules.conditions import Conditions

MAX_CONTRIBUTIONS: Final = 5
"""More than a person reads."""


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

    def unmet(
        self, scores: Scores, row: int, others: Sequence[Conditions]
    ) -> tuple[tuple[Contribution, ...], tuple[Claim, ...]]:
        """Of each of several lists of conditions the one that is furthest from being met; the nearest of them first."""
        values = scores.batch.values[row]
        found = [
            min(zip(one.distances(values), one.items, strict=True), key=lambda pair: pair[0][1])
            for one in others
            if one.items
        ]
        nearest = sorted(found, key=lambda pair: -pair[0][1])[:MAX_CONTRIBUTIONS]
        parts: dict[int, float] = {}
        claims: list[Claim] = []
        for (column, distance), one in nearest:
            value = _number(values.item(column))
            parts.setdefault(column, distance)
            claims.append(
                self.claim(one.feature, value, one.op if value is None else OPPOSITE[one.op], one.value, "threshold")
            )
        return self._named(scores, row, parts.items()), tuple(claims)

    def values(self, scores: Scores, row: int) -> dict[str, float]:
        """Features of a row by name: what a pack's sentence may use."""
        return dict(zip(self._names, scores.batch.values[row].tolist(), strict=True))

    def title(self, name: str) -> str:
        """What a feature is called; a name that is none of the entity's features stays as it is."""
        feature = self._features.get(name)
        return self._texts.features.get(name, name.replace("_", " ") if feature is None else feature.title)

    def claim(self, feature: str, value: float | None, op: Operator, bound: float, bound_is: BoundIs) -> Claim:
        """A claim about one of the entity's features, in that feature's unit."""
        known = self._features.get(feature)
        return Claim(feature, value, known.unit if known else "", op, bound, bound_is)

    def claim_of(self, contribution: Contribution) -> Claim | None:
        """A contribution as a comparison with the own usual value, else with the others'; None without either."""
        name, value, usual, peers = (
            contribution.feature,
            contribution.value,
            contribution.usual,
            contribution.peers,
        )
        if value is None or (usual is None and peers is None) or name not in self._features:
            return None
        unit = self._features[name].unit
        if usual is not None:
            return compared(name, value, unit, usual, "own_usual")
        return None if peers is None else compared(name, value, unit, peers, "peers")

    def claims_of(self, contributions: Iterable[Contribution]) -> tuple[Claim, ...]:
        """Contributions as comparisons, without those that have nothing to compare with."""
        return tuple(claim for part in contributions if (claim := self.claim_of(part)) is not None)

    def claims_of_conditions(self, scores: Scores, row: int, conditions: Conditions) -> tuple[Claim, ...]:
        """The conditions that hold for a row, in the pack's order."""
        values = scores.batch.values[row]
        return tuple(
            self.claim(one.feature, _number(values.item(column)), one.op, one.value, "threshold")
            for one, column in zip(conditions.items, conditions.columns, strict=True)
        )

    def say(self, claim: Claim) -> str:
        """A claim in words: `events in an hour: 40, more than 30`, or `events in an hour: 40 (usually 3)`."""
        texts, title = self._texts, self.title(claim.feature)
        if claim.value is None:
            return texts.feature.format(feature=title, value=texts.unknown)
        value, bound = (in_words(number, claim.unit, texts) for number in (claim.value, claim.bound))
        match claim.bound_is:
            case "own_usual" if claim.unit == "deviations" and claim.bound == 0:
                return texts.feature.format(feature=title, value=value)  # from what is usual: none is no news
            case "own_usual":
                return texts.feature_usual.format(feature=title, value=value, usual=bound)
            case "peers":
                return texts.feature_peers.format(feature=title, value=value, peers=bound)
        if claim.op == "==" or claim.value == claim.bound:
            return texts.feature.format(feature=title, value=value)
        return texts.feature_threshold.format(feature=title, value=value, bound=texts.bound(claim.op, bound))

    def say_all(self, claims: Iterable[Claim]) -> str:
        """Claims in words, one after another."""
        return self._texts.separator.join(map(self.say, claims))

    def _named(self, scores: Scores, row: int, parts: Iterable[tuple[int, float]]) -> tuple[Contribution, ...]:
        batch, peers = scores.batch, scores.typical_at(row)
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


def _number(value: float) -> float | None:
    """A number of an array as JSON knows it: NaN is None."""
    return None if isnan(value) else value

"""Declared features, compiled for one kind of entity: what to do with an event of each type.

Features that count the same share one aggregation: the sum and the mean of a property over a window, for example.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ubi_stream.errors import ConfigError
from ubi_stream.ids import short_hash
from ubi_stream.packs.base import COMPARE, Compare
from ubi_stream.packs.declared import DeclaredFeature, Span

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS

PANES: Final[dict[Span, tuple[int, int]]] = {
    "visit": (0, 0),
    "5m": (_MINUTE_MS, 5),
    "1h": (5 * _MINUTE_MS, 12),
    "24h": (_HOUR_MS, 24),
    "7d": (_DAY_MS, 7),
    "30d": (_DAY_MS, 30),
}
"""Width of a pane in milliseconds, and how many make a window. The newest pane is still open."""
KEYS: Final = 2**32

Aggregate = Literal["count", "sum", "share", "max", "distinct", "decayed", "last"]
_AGGREGATES: Final[dict[str, Aggregate]] = {
    "count": "count",
    "rate_per_min": "count",
    "share": "share",
    "max": "max",
    "distinct": "distinct",
    "decayed_sum": "decayed",
    "last": "last",
}


@dataclass(frozen=True, slots=True)
class Aggregation:
    """What is kept of the events that a feature is about.

    Attributes
    ----------
    key
        Hash of what is counted, in [0, 2**32): the state keeps it under this. A changed declaration has another.
    aggregate
        A number of events; a sum with it; the events of a share, and of what it is a share of; the largest value; a
        sketch of the different values; a sum that halves with every window of age; or the newest value.
    pane_ms, panes
        Width and number of panes; 0 for the current visit.
    value_of
        Property that is added up or told apart; None counts events.
    where
        Property, comparison and value of each condition.
    weights
        Weight by type index, for those types that count. None counts all with 1.
    base
        Type indexes that a share is of; None means all.
    """

    key: int
    aggregate: Aggregate
    pane_ms: int
    panes: int
    value_of: str | None
    where: tuple[tuple[str, Compare, bool | float | str], ...]
    weights: Mapping[int, float] | None
    base: frozenset[int] | None

    @property
    def window_ms(self) -> int:
        """Length of the window, the half-life of a decayed sum; 0 for a visit."""
        return self.pane_ms * self.panes

    def concerns(self, type_index: int) -> bool:
        """Whether events of a type can change it."""
        if self.aggregate == "share":
            return self.base is None or type_index in self.base
        return self.weights is None or type_index in self.weights


@dataclass(frozen=True, slots=True)
class DeclaredPlan:
    """Declared features of one kind of entity.

    Attributes
    ----------
    features
        In the order of the pack, each with its aggregation.
    by_type
        By type index, the aggregations that an event of the type may change.
    keys
        Of all aggregations.
    """

    features: tuple[tuple[DeclaredFeature, Aggregation], ...]
    by_type: tuple[tuple[Aggregation, ...], ...]
    keys: frozenset[int]


def compile_declared(
    features: Iterable[DeclaredFeature], entity: str, type_index: Mapping[str, int], other_type: int
) -> DeclaredPlan | None:
    """Compile the features of an entity; None where it has none. `other_type` is the index of unknown types.

    Raises
    ------
    ConfigError
        Two of them can't be told apart in the state: the hashes of what they count are the same.
    """
    compiled = tuple((one, _aggregation(one, type_index)) for one in features if entity in one.entities)
    if not compiled:
        return None
    distinct: dict[int, Aggregation] = {}
    for one, aggregation in compiled:
        if distinct.setdefault(aggregation.key, aggregation) != aggregation:
            raise ConfigError(
                f"feature {one.name!r} and another have the same hash: write its `where` in another order"
            )
    by_type = tuple(
        tuple(aggregation for aggregation in distinct.values() if aggregation.concerns(index))
        for index in range(other_type + 1)
    )
    return DeclaredPlan(compiled, by_type, frozenset(distinct))


def _aggregation(feature: DeclaredFeature, type_index: Mapping[str, int]) -> Aggregation:
    aggregate = _AGGREGATES.get(feature.kind, "sum")
    pane_ms, panes = PANES[feature.window]
    counted = {name: feature.weights.get(name, 1.0) for name in feature.counted}
    base = feature.base if aggregate == "share" else ()
    conditions = tuple((one.property, one.op, one.value) for one in feature.where)
    named = (aggregate, feature.window, feature.property, sorted(counted.items()), sorted(base), conditions)
    return Aggregation(
        key=short_hash(repr(named)) % KEYS,
        aggregate=aggregate,
        pane_ms=pane_ms,
        panes=panes,
        value_of=feature.property,
        where=tuple((name, COMPARE[op], value) for name, op, value in conditions),
        weights={type_index[name]: weight for name, weight in counted.items()} or None,
        base=frozenset(type_index[name] for name in base) or None,
    )

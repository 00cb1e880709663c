"""Every feature by name, with unit, range and meaning. Families are the other modules of this folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Final, Literal

from ubi_stream.errors import ConfigError
from ubi_stream.packs.entities import Windows
from ubi_stream.packs.plan import Plan
from ubi_stream.state.model import UserState

Extractor = Callable[[UserState, int, Plan], float]
"""(state, time in ms, plan) -> value; NaN where there is no value yet. A function of its arguments alone."""
FamilyExtractor = Callable[[UserState, int, Plan], tuple[float, ...]]
"""The same for several features at once: values of all, then the usual values of those that have one."""

Notable = Literal["high", "low", "both", "never"]
"""Which values of a feature are worth an alert. Many are none: a rare hour, a long pause, a short visit."""

MISSING: Final = float("nan")
HOUR_OF_DAY: Final = "hour of day"
"""Unit of a local time of day: 3.5 is 03:30."""
EXTENSIONS: Final = "ubi_stream.features"
"""Group of the entry points that name modules with further features."""
FAMILIES: Final = ("active_days", "baseline", "exact", "rhythm", "spend", "visit", "visit_totals", "volume")
"""Modules of this folder that register features when they are imported."""


@dataclass(frozen=True, slots=True)
class Column:
    """Position of a feature in the `width` numbers of its family, and that of its usual value, if it has one."""

    family: FamilyExtractor
    value: int
    usual: int | None
    width: int


@dataclass(frozen=True, slots=True)
class Feature:
    """One number about an entity.

    `low` and `high` bound what the anomaly model tells apart: values beyond count as the bound. `scale` says whether
    equal steps or equal ratios matter. `usual` gives the entity's own usual value, where there is one. `windows` is the
    kind of windows without which there is nothing to count; None works with both. `title` is what a person reads.
    `notable` says which direction an alert may rest on: a value that is low where only a high one matters is harmless.
    `column` is set where several features are extracted at once: five times as fast as one by one.
    """

    name: str
    unit: str
    low: float
    high: float
    meaning: str
    extract: Extractor
    scale: Literal["linear", "log"] = "linear"
    usual: Extractor | None = None
    windows: Windows | None = None
    title: str = ""
    column: Column | None = None
    notable: Notable = "high"


_features: dict[str, Feature] = {}


def feature(  # noqa: PLR0913 - named by keyword, each of its own kind
    name: str,
    *,
    unit: str,
    low: float = 0.0,
    high: float,
    meaning: str,
    scale: Literal["linear", "log"] = "linear",
    usual: Extractor | None = None,
    windows: Windows | None = None,
    title: str = "",
    notable: Notable = "high",
) -> Callable[[Extractor], Extractor]:
    """Register the decorated function as a feature; its title is the name, where none is given.

    Raises
    ------
    ValueError
        The name is taken, or the range is empty.
    """

    def register(extract: Extractor) -> Extractor:
        words = title or name.replace("_", " ")
        add_feature(Feature(name, unit, low, high, meaning, extract, scale, usual, windows, words, notable=notable))
        return extract

    return register


@dataclass(frozen=True, slots=True)
class Described:
    """A feature of a family, but for how it is extracted: see `Feature`."""

    name: str
    unit: str
    high: float
    meaning: str
    low: float = 0.0
    scale: Literal["linear", "log"] = "linear"
    has_usual: bool = False
    title: str = ""
    notable: Notable = "high"


def family(*members: Described, windows: Windows | None = None) -> Callable[[FamilyExtractor], FamilyExtractor]:
    """Register features that the decorated function extracts together.

    It returns their values in the order of `members`, and then the usual values of those that have one, in that order.

    Raises
    ------
    ValueError
        A name is taken, or a range is empty.
    """

    def register(extract: FamilyExtractor) -> FamilyExtractor:
        next_usual = len(members)
        width = next_usual + sum(each.has_usual for each in members)
        for position, each in enumerate(members):
            column = Column(extract, position, next_usual if each.has_usual else None, width)
            next_usual += each.has_usual
            add_feature(
                Feature(
                    name=each.name,
                    unit=each.unit,
                    low=each.low,
                    high=each.high,
                    meaning=each.meaning,
                    extract=_one_of(extract, position),
                    scale=each.scale,
                    usual=None if column.usual is None else _one_of(extract, column.usual),
                    windows=windows,
                    title=each.title or each.name.replace("_", " "),
                    column=column,
                    notable=each.notable,
                )
            )
        return extract

    return register


def _one_of(extract: FamilyExtractor, position: int) -> Extractor:
    def one(state: UserState, at_ms: int, plan: Plan) -> float:
        return extract(state, at_ms, plan)[position]

    return one


def add_feature(new: Feature) -> None:
    """Register a feature.

    Raises
    ------
    ValueError
        The name is taken by another, or the range is empty.
    """
    if new.low >= new.high or (new.scale == "log" and new.low < 0):
        raise ValueError(f"feature {new.name!r}: the range {new.low}..{new.high} is empty or has no logarithm")
    if _features.get(new.name, new) != new:
        raise ValueError(f"feature {new.name!r} is registered twice")
    _features[new.name] = new


def shipped_features() -> dict[str, Feature]:
    """The features of this package, by name."""
    modules = {f"ubi_stream.features.{family}" for family in FAMILIES}
    for module in modules:
        import_module(module)
    return {name: found for name, found in _features.items() if _module_of(found) in modules}


def all_features() -> dict[str, Feature]:
    """Every registered feature by name: the shipped ones, and those of installed extensions.

    An extension is a module named by an entry point of the group `ubi_stream.features`; importing it registers its
    features.

    Raises
    ------
    ConfigError
        An extension can't be imported, or its features can't be registered.
    """
    shipped_features()
    for extension in _extensions(entry_points, tuple(sys.path)):
        try:
            extension.load()
        except Exception as error:  # code that isn't ours: whatever it raises, the operator must know whose it is
            package = f"{extension.dist.name} {extension.dist.version}" if extension.dist else "an unknown package"
            raise ConfigError(
                f"extension {extension.name!r} of {package} (module {extension.value}) can't be loaded: "
                f"{type(error).__name__}: {error}"
            ) from error
    return dict(_features)


@lru_cache(maxsize=1)
def _extensions(find: Callable[..., Iterable[EntryPoint]], _path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Entry points of extensions, as long as modules come from the same places: a search takes milliseconds."""
    return tuple(find(group=EXTENSIONS))


def _module_of(found: Feature) -> str:
    """Module that a feature was registered by."""
    return (found.column.family if found.column else found.extract).__module__


def select_features(
    names: tuple[str, ...], windows: Windows, declared: Mapping[str, Feature] = MappingProxyType({})
) -> tuple[Feature, ...]:
    """Features by name, in that order, for an entity with windows of that kind; `declared` are those of its pack.

    Raises
    ------
    ConfigError
        One is neither registered nor declared, or would always be empty with such windows.
    """
    known = {**all_features(), **declared}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"no feature {', '.join(map(repr, unknown))}; there are: {', '.join(sorted(known))}")
    empty = [name for name in names if known[name].windows not in (None, windows)]
    if empty:
        raise ConfigError(f"features {', '.join(map(repr, empty))} have nothing to count with windows = {windows!r}")
    return tuple(known[name] for name in names)

"""Models by their kind: ours, River's, and those of installed extensions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from ubi_stream.errors import ConfigError
from ubi_stream.models.anomaly.river_detector import RiverDetector
from ubi_stream.models.catalogue import MODELS
from ubi_stream.models.common.protocol import OnlineModel, RowDetector
from ubi_stream.models.common.river_models import RiverModel, make_pipeline
from ubi_stream.models.outcomes.logistic import LogisticRows
from ubi_stream.models.outcomes.rows import BayesBlend, BayesLine

GROUP: Final = "ubi_stream.models"
"""Entry points of this group are factories: `factory(features, seed=1, **parameters)` returns an `OnlineModel`, or,
where the task is "anomaly", a `RowDetector`."""

_OURS: Final[Mapping[str, Callable[..., OnlineModel]]] = {
    "line": lambda features, seed, **parameters: BayesLine(len(features), **parameters),
    "blend": lambda features, seed, **parameters: BayesBlend(len(features), seed=seed, **parameters),
    "logistic": lambda features, seed, **parameters: LogisticRows(features, **parameters),
}

_ESTIMATORS: Final = ("fast", "alma", "naive-bayes", "hoeffding", "mondrian")
"""Classifiers of the catalogue that may run in a panel: the same ones under the same names. River's adaptive random
forest is not among them: its state differs between equal runs."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make a model: the same recipe gives the same model anywhere.

    Attributes
    ----------
    kind
        One of `kinds()`, or steps of River by dotted name.
    parameters
        Of the model, or of the last step.
    features
        Names of the columns.
    """

    kind: str
    features: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1

    def make(self) -> OnlineModel:
        """Make a fresh model.

        Raises
        ------
        ConfigError
            There is no such kind, or it doesn't take those parameters.

        Examples
        --------
        >>> Recipe("line", ("depth", "minutes")).make().describe()["model"]
        'line'
        """
        if self.kind in _ESTIMATORS:
            if self.parameters:
                raise ConfigError(f"model {self.kind!r} takes no parameters; give a dotted name of River with them")
            return RiverModel(MODELS[self.kind][1](self.seed, False), self.features)
        if self.kind not in _OURS and "." in self.kind:
            return RiverModel(make_pipeline(self.kind, self.parameters, seed=self.seed), self.features)
        model = self._made_by(_OURS.get(self.kind) or _of_extension(self.kind))
        if not isinstance(model, OnlineModel):
            raise ConfigError(f"model {self.kind!r} is a {type(model).__name__}, which lacks a method of OnlineModel")
        return model

    def make_detector(self) -> RowDetector:
        """Make a fresh anomaly detector.

        Raises
        ------
        ConfigError
            There is no such detector, or it doesn't take those parameters.
        """
        if "." in self.kind:
            return RiverDetector(make_pipeline(self.kind, self.parameters, seed=self.seed), self.features)
        model = self._made_by(_of_extension(self.kind))
        if not isinstance(model, RowDetector):
            raise ConfigError(f"{self.kind!r} is a {type(model).__name__}, which lacks score_one or learn_one")
        return model

    def _made_by(self, factory: Callable[..., Any]) -> Any:
        try:
            return factory(self.features, seed=self.seed, **self.parameters)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"model {self.kind!r} doesn't take parameters {dict(self.parameters)}: {error}"
            ) from error


def kinds() -> tuple[str, ...]:
    """Return the kinds that can be named without a dot: ours, River's, and those of installed extensions."""
    return (*_OURS, *_ESTIMATORS, *sorted(_extensions()))


def _extensions() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _of_extension(kind: str) -> Callable[..., Any]:
    known = _extensions()
    if kind not in known:
        raise ConfigError(f"no model {kind!r}: expected one of {', '.join(kinds())}, or a dotted name of River")
    factory: Callable[..., Any] = known[kind].load()
    return factory

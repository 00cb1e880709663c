"""River's estimators by dotted name, from a list of modules, and as models of a panel."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final, Literal

from river import base, compose

from ubi_stream.arrays import MAX_ABS, FloatArray
from ubi_stream.errors import ConfigError
from ubi_stream.models.common.protocol import RowModel

MODULES: Final = (
    "anomaly",
    "compose",
    "drift",
    "ensemble",
    "forest",
    "linear_model",
    "naive_bayes",
    "neighbors",
    "optim",
    "preprocessing",
    "stats",
    "time_series",
    "tree",
)
"""Modules of River that hold models, what stands before them and what they are made of, and no input or output."""

_FORM: Final = "expected module.Class or module.Class(name=value)"
_EDGE: Final = 1e-4
"""Probabilities stay this far from 0 and 1: trees say 0 and 1 on the evidence of a few events."""


def make_pipeline(text: str, parameters: Mapping[str, Any] | None = None, *, seed: int = 1) -> base.Estimator:
    """Make a fresh estimator of River.

    Parameters
    ----------
    text
        Steps by dotted name joined by ``|``, with parameters or not:
        ``preprocessing.StandardScaler | linear_model.PAClassifier(C=0.1)``. Parameters are plain literals, or made in
        the same way: ``ensemble.BaggingClassifier(model=tree.HoeffdingTreeClassifier(max_depth=4))``.
    parameters
        Further ones of the last step. A text with a module's name before its first dot is made, too.
    seed
        For every step that takes one and isn't given one.

    Raises
    ------
    ConfigError
        The text can't be read, names something that isn't on the list, or doesn't take those parameters.
    """
    further = {name: _made_value(value, seed) for name, value in (parameters or {}).items()}
    model = _made(_parsed(text), seed, further)
    if not isinstance(model, base.Estimator):
        raise ConfigError(f"{text!r} is a part of models, not a model")
    return model


def make_listed(text: str, parameters: Mapping[str, Any], listed: tuple[type, ...], *, seed: int = 1) -> Any:
    """Make a fresh object of River of one of these classes, from a text as `make_pipeline` takes it.

    Raises
    ------
    ConfigError
        The text can't be read, or makes something else.
    """
    made = _made(_parsed(text), seed, {name: _made_value(value, seed) for name, value in parameters.items()})
    if type(made) not in listed:
        raise ConfigError(f"{text!r} can't do this: expected one of {', '.join(sorted(k.__name__ for k in listed))}")
    return made


def fed(model: base.Estimator) -> base.Estimator:
    """Put `numbers_only` before a model of River; ours take any values."""
    local = type(model).__module__.startswith("ubi_stream.")
    return model if local else compose.FuncTransformer(numbers_only) | model


def numbers_only(x: Mapping[str, Any]) -> dict[str, float]:
    """Return the row as River's models take it: a word becomes a column of its own, what is missing is left out.

    >>> numbers_only({"size": 2, "shop": "north", "price": None})
    {'size': 2.0, 'shop=north': 1.0}
    """
    numbers: dict[str, float] = {}
    for name, value in x.items():
        if isinstance(value, str):
            numbers[f"{name}={value}"] = 1.0
        elif value is not None and math.isfinite(value):
            numbers[name] = float(value)
    return numbers


def task_of(model: base.Estimator) -> Literal["classification", "anomaly"]:
    """Return ``anomaly`` or ``classification``.

    Raises
    ------
    ConfigError
        It is neither.
    """
    last = last_step(model)
    if isinstance(last, base.AnomalyDetector):
        return "anomaly"
    if isinstance(last, base.Classifier):
        return "classification"
    raise ConfigError(f"{type(last).__name__} is neither a classifier nor an anomaly detector")


def last_step(model: base.Estimator) -> base.Estimator:
    """Return the estimator at the end of a pipeline, or the model itself."""
    return model._last_step if isinstance(model, compose.Pipeline) else model


class RiverModel(RowModel):
    """A classifier of River as a model of a panel: rows become named values, missing ones are left out.

    Parameters
    ----------
    estimator
        A classifier, or a pipeline with one at its end. Its memory must be bounded by its own parameters.
    features
        Names of the columns.

    Examples
    --------
    >>> import numpy as np
    >>> model = RiverModel(make_pipeline("naive_bayes.GaussianNB"), ("depth",))
    >>> for depth in [1.0, 2.0, 8.0, 9.0] * 10:
    ...     model.learn(np.array([depth]), depth > 5)
    >>> model.score(np.array([1.5])) < 0.1 < 0.9 < model.score(np.array([8.5]))
    True

    Raises
    ------
    ConfigError
        The estimator is no classifier.
    """

    def __init__(self, estimator: base.Estimator, features: Sequence[str]) -> None:
        if task_of(estimator) != "classification":
            raise ConfigError(f"{type(last_step(estimator)).__name__} is no classifier")
        self.estimator = estimator
        self.features = tuple(features)
        self.labels = 0
        self._takes_weight = "w" in inspect.signature(last_step(estimator).learn_one).parameters

    def score(self, row: FloatArray) -> float:
        """Return the probability of True; 0.5 where the estimator has none."""
        predicted = self.estimator.predict_proba_one(self.named(row))
        total = sum(predicted.values())
        probability = predicted.get(True, 0.0) / total if total > 0.0 else 0.5
        return float(min(max(probability, _EDGE), 1.0 - _EDGE))

    def learn(self, row: FloatArray, positive: bool, weight: float = 1.0) -> None:
        """Learn a label; an estimator that knows no weights counts each as 1."""
        if weight <= 0.0:
            return
        further = {"w": weight} if self._takes_weight else {}
        self.estimator.learn_one(self.named(row), bool(positive), **further)
        self.labels += 1

    def describe(self) -> Mapping[str, Any]:
        """Return the estimator's name."""
        return {"model": f"river {type(last_step(self.estimator)).__name__}", "linear": False, "labels": self.labels}

    def named(self, row: FloatArray) -> dict[str, float]:
        """Return the row as the estimator takes it."""
        return named(self.features, row)


def named(features: Sequence[str], row: FloatArray) -> dict[str, float]:
    """Return a row as River's models take it: what is missing is left out."""
    values = zip(features, row.tolist(), strict=True)
    return {name: min(max(value, -MAX_ABS), MAX_ABS) for name, value in values if math.isfinite(value)}


def _parsed(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # what Python says of any text
        raise ConfigError(f"model step {text!r} can't be read: {_FORM}") from error


def _made(node: ast.expr, seed: int, further: Mapping[str, Any] | None = None) -> Any:
    """Make what `module.Class(...)` says; nested parameters are made first."""
    text = ast.unparse(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _made(node.left, seed) | _made(node.right, seed, further)
    parameters: dict[str, Any] = {}
    places: list[Any] = []
    if isinstance(node, ast.Call):
        places = [_value(argument, text, seed) for argument in node.args]
        parameters = {str(keyword.arg): _value(keyword.value, text, seed) for keyword in node.keywords}
        node = node.func
    if not (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)):
        raise ConfigError(f"model step {text!r} can't be read: {_FORM}")
    kind = _allowed(node.value.id, node.attr)
    parameters |= further or {}
    if "seed" in inspect.signature(kind).parameters:
        parameters.setdefault("seed", seed)
    try:
        return kind(*places, **parameters)
    except (TypeError, ValueError, AttributeError) as error:  # each class checks its parameters in its own way
        raise ConfigError(f"model step {text!r} doesn't take these parameters: {error}") from error


def _value(node: ast.expr, text: str, seed: int) -> Any:
    if isinstance(node, ast.Call | ast.Attribute):
        return _made(node, seed)
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise ConfigError(
            f"model step {text!r}: parameters are numbers, words, True, False, None, and parts of River"
        ) from error


def _made_value(value: Any, seed: int) -> Any:
    is_name = isinstance(value, str) and value.partition(".")[0] in MODULES and "." in value
    return _made(_parsed(value), seed) if is_name else value


def _allowed(module: str, name: str) -> Callable[..., Any]:
    if module not in MODULES:
        raise ConfigError(f"River's module {module!r} is not on the list: expected one of {', '.join(MODULES)}")
    found = getattr(import_module(f"river.{module}"), name, None)
    if name.startswith("_") or not (inspect.isclass(found) and issubclass(found, base.Base)):
        raise ConfigError(f"River has no estimator {module}.{name}")
    made: Callable[..., Any] = found
    return made

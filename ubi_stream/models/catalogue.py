"""Models and River's bundled data by name: the one door to River for whoever evaluates."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Literal

from river import anomaly, base, compose, datasets, forest, linear_model, naive_bayes, optim, preprocessing, tree

from ubi_stream.errors import ConfigError
from ubi_stream.models.ensemble.anomaly import RankedAnomalies
from ubi_stream.models.ensemble.experts import ExpertBlend, costly_experts
from ubi_stream.models.ensemble.fast import FastBlend
from ubi_stream.models.ensemble.season import SeasonWatch

_BENCHMARK_STEP = 0.005
"""Learning rate of the logistic regression in River's own benchmarks."""

MODELS: Mapping[str, tuple[str, Callable[[int, bool], base.Estimator]]] = {
    "fast": ("our classifier of the default tier", lambda seed, at_once: FastBlend(at_once=at_once, seed=seed)),
    "costly": (
        "our classifier of the costly tier",
        lambda seed, at_once: ExpertBlend(costly_experts(seed), at_once=at_once, seed=seed),
    ),
    "anomalies": ("our anomaly detector of the default tier", lambda seed, _: RankedAnomalies(seed=seed)),
    "anomalies-trees": (
        "our anomaly detector of the costly tier, with half-space trees",
        lambda seed, _: RankedAnomalies(trees=25, seed=seed),
    ),
    "logistic": (
        "River's logistic regression as in its benchmarks",
        lambda seed, _: (
            preprocessing.StandardScaler() | linear_model.LogisticRegression(optimizer=optim.SGD(_BENCHMARK_STEP))
        ),
    ),
    "alma": ("River's ALMA", lambda seed, _: preprocessing.StandardScaler() | linear_model.ALMAClassifier()),
    "naive-bayes": ("River's Gaussian naive Bayes", lambda seed, _: naive_bayes.GaussianNB()),
    "hoeffding": ("River's adaptive Hoeffding tree", lambda seed, _: tree.HoeffdingAdaptiveTreeClassifier(seed=seed)),
    "forest": ("River's adaptive random forest", lambda seed, _: forest.ARFClassifier(seed=seed)),
    "mondrian": ("River's aggregated Mondrian forest", lambda seed, _: forest.AMFClassifier(seed=seed)),
    "season": ("our detector for one series with a daily rhythm", lambda seed, _: SeasonWatch(seed=seed)),
    "half-space": (
        "River's half-space trees on min-max scaled features",
        lambda seed, _: preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=seed),
    ),
    "loda": ("River's LODA", lambda seed, _: preprocessing.MinMaxScaler() | anomaly.LODA(seed=seed)),
}

_MODULES = frozenset(
    ("anomaly", "ensemble", "forest", "linear_model", "naive_bayes", "neighbors", "preprocessing", "tree")
)
"""Modules of River that hold models and what stands before them, and no input or output."""

_BUNDLED: Mapping[str, Callable[[], Any]] = {
    "phishing": datasets.Phishing,
    "bananas": datasets.Bananas,
    "shuttle": datasets.Shuttle,
}


def make_model(name: str, seed: int = 1, *, at_once: bool = True) -> Any:
    """Make a fresh model.

    Parameters
    ----------
    name
        One of `MODELS`, or steps of River by dotted name joined by ``|``, with parameters or not:
        ``preprocessing.StandardScaler | linear_model.PAClassifier(C=0.1)``. Parameters are plain literals.
    seed
        For every step that takes one and isn't given one.
    at_once
        Whether each label comes before the next prediction; models that use the last labels leave them out otherwise.

    Raises
    ------
    ConfigError
        There is no such model, or it doesn't take those parameters.
    """
    if name in MODELS:
        return _fed(MODELS[name][1](seed, at_once))
    if "." not in name:
        raise ConfigError(f"no model {name!r}: expected one of {', '.join(MODELS)}, or a dotted name of River")
    steps = [_step(text.strip(), seed) for text in name.split("|")]
    model = steps[0]
    for step in steps[1:]:
        model = model | step
    return _fed(model)


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


def bundled_rows(name: str) -> Iterator[tuple[dict[str, Any], bool]]:
    """Rows of a set that River brings: phishing, bananas or shuttle."""
    for x, y in _BUNDLED[name]():
        yield x, bool(y)


def task_of(model: base.Estimator) -> Literal["classification", "anomaly"]:
    """Return ``anomaly`` or ``classification``.

    Raises
    ------
    ConfigError
        It is neither.
    """
    last = model._last_step if hasattr(model, "_last_step") else model
    if isinstance(last, base.AnomalyDetector):
        return "anomaly"
    if isinstance(last, base.Classifier):
        return "classification"
    raise ConfigError(f"{type(last).__name__} is neither a classifier nor an anomaly detector")


def _fed(model: base.Estimator) -> base.Estimator:
    """Put `numbers_only` before a model of River; ours take any values."""
    ours = type(model).__module__.startswith("ubi_stream.")
    return model if ours else compose.FuncTransformer(numbers_only) | model


def _step(text: str, seed: int) -> base.Estimator:
    try:
        call = ast.parse(text, mode="eval").body
    except SyntaxError as error:
        raise ConfigError(
            f"model step {text!r} can't be read: expected module.Class or module.Class(name=value)"
        ) from error
    parameters: dict[str, Any] = {}
    if isinstance(call, ast.Call) and not call.args:
        parameters = {str(keyword.arg): _literal(keyword.value, text) for keyword in call.keywords}
        call = call.func
    if not (isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name)):
        raise ConfigError(f"model step {text!r} can't be read: expected module.Class or module.Class(name=value)")
    kind = _allowed(call.value.id, call.attr)
    if "seed" in inspect.signature(kind).parameters:
        parameters.setdefault("seed", seed)
    try:
        return kind(**parameters)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model step {text!r} doesn't take these parameters: {error}") from error


def _literal(node: ast.expr, text: str) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        raise ConfigError(f"model step {text!r}: parameters are numbers, words, True, False and None") from error


def _allowed(module: str, name: str) -> Callable[..., base.Estimator]:
    if module not in _MODULES:
        raise ConfigError(
            f"River's module {module!r} is not on the list: expected one of {', '.join(sorted(_MODULES))}"
        )
    found = getattr(import_module(f"river.{module}"), name, None)
    if name.startswith("_") or not (inspect.isclass(found) and issubclass(found, base.Estimator)):
        raise ConfigError(f"River has no estimator {module}.{name}")
    made: Callable[..., base.Estimator] = found
    return made

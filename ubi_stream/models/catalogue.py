"""Models and River's bundled data by name: the one door to River for whoever evaluates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from river import anomaly, base, datasets, forest, linear_model, naive_bayes, optim, preprocessing, tree

from ubi_stream.errors import ConfigError
from ubi_stream.models.anomaly.season import SeasonWatch
from ubi_stream.models.anomaly.tables import RankedAnomalies
from ubi_stream.models.common.river_models import fed, make_pipeline
from ubi_stream.models.outcomes.fast import FastBlend

_BENCHMARK_STEP = 0.005
"""Learning rate of the logistic regression in River's own benchmarks."""

MODELS: Mapping[str, tuple[str, Callable[[int, bool], base.Estimator]]] = {
    "fast": ("our classifier", lambda seed, at_once: FastBlend(at_once=at_once, seed=seed)),
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
        return fed(MODELS[name][1](seed, at_once))
    if "." not in name:
        raise ConfigError(f"no model {name!r}: expected one of {', '.join(MODELS)}, or a dotted name of River")
    return fed(make_pipeline(name, seed=seed))


def bundled_rows(name: str) -> Iterator[tuple[dict[str, Any], bool]]:
    """Rows of a set that River brings: phishing, bananas or shuttle."""
    for x, y in _BUNDLED[name]():
        yield x, bool(y)

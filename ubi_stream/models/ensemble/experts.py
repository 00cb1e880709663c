"""The classifier of the costly tier: any classifiers of River, blended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from river.base import Classifier
from river.forest import AMFClassifier

from ubi_stream.models.arrays import FloatArray, clipped, sigmoid
from ubi_stream.models.ensemble.encoder import FeatureEncoder
from ubi_stream.models.ensemble.fast import FastBlend
from ubi_stream.models.ensemble.kalman import KalmanLogistic

_EDGE = 1e-3
"""Probabilities of an expert stay this far from 0 and 1: trees say 0 and 1 on the evidence of a few events."""

_BLEND_PRIOR = 0.1
_BLEND_BIAS = 0.3
_BLEND_LIMIT = 7.0
"""As in `FastBlend`."""

_MAX_NODES = 100
"""Of a tree of the costly tier. On Bananas and Online Shoppers 2,000 are no better, cost two to three times as much,
and their state is up to fifteen times as large: no snapshot would hold it."""


class ExpertBlend(Classifier):  # type: ignore[misc]  # River's classes are untyped under strict mode
    """Blends `FastBlend` with binary classifiers of River by their log-odds, one second-order step per label.

    The experts get the deviations of `FeatureEncoder`, so that words, missing and infinite values are no matter to
    them. The blend is trained on what each said before the label came: it trusts who has been right lately, and is
    calibrated by that.

    Parameters
    ----------
    experts
        Classifiers of River besides `FastBlend`. Their memory must be bounded by their own parameters.
    memory
        Labels after which an old one counts 1 / e in the blend.
    capacity
        Most columns that an expert sees.
    at_once
        Whether each label comes before the next prediction.
    seed
        Of the `FastBlend` within.

    Examples
    --------
    >>> from river import datasets, naive_bayes
    >>> model = ExpertBlend([naive_bayes.GaussianNB()])
    >>> hits = 0
    >>> for x, y in datasets.Phishing():
    ...     hits += model.predict_one(x) == y
    ...     model.learn_one(x, y)
    >>> hits / 1250 > 0.9
    True

    References
    ----------
    D. H. Wolpert: Stacked generalization. Neural Networks 5, 1992.
    N. Cesa-Bianchi, G. Lugosi: Prediction, Learning, and Games. 2006.
    """

    def __init__(
        self,
        experts: Sequence[Classifier] = (),
        memory: float = 2_000.0,
        capacity: int = 64,
        at_once: bool = True,
        seed: int = 1,
    ) -> None:
        self.experts = experts
        self.memory = memory
        self.capacity = capacity
        self.at_once = at_once
        self.seed = seed
        self.fast = FastBlend(at_once=at_once, seed=seed)
        self.encoder = FeatureEncoder(capacity, codes=False, logs=False, recent=False)
        self.blend = KalmanLogistic(_BLEND_PRIOR, memory)
        self.blend.widen(1 + len(experts), 1.0 / (1 + len(experts)))
        self.blend.widen(2 + len(experts))

    def predict_proba_one(self, x: Mapping[str, Any]) -> dict[bool, float]:
        """Return both probabilities; 0.5 each before any label."""
        probability = sigmoid(self.blend.look(self._logits(x, _named(self.encoder.encode(x).deviations))).moderated)
        return {False: 1.0 - probability, True: probability}

    def learn_one(self, x: Mapping[str, Any], y: bool) -> None:
        """Learn that named values ended in `y`."""
        encoded = self.encoder.encode(x)
        named = _named(encoded.deviations)
        self.blend.learn(self.blend.look(self._logits(x, named)), y)
        self.fast.learn_one(x, y)
        for expert in self.experts:
            expert.learn_one(named, bool(y))
        self.encoder.learn(x, encoded)

    def _logits(self, x: Mapping[str, Any], named: dict[str, float]) -> FloatArray:
        said = [self.fast.predict_proba_one(x)[True]]
        for expert in self.experts:
            probabilities = expert.predict_proba_one(named)
            total = sum(probabilities.values())
            said.append(probabilities.get(True, 0.0) / total if total > 0.0 else 0.5)
        inside = (min(max(probability, _EDGE), 1.0 - _EDGE) for probability in said)
        logits = [math.log(probability / (1.0 - probability)) for probability in inside]
        return clipped(np.array([*logits, _BLEND_BIAS]), _BLEND_LIMIT)

    @classmethod
    def _unit_test_params(cls) -> Any:
        yield {"experts": [AMFClassifier(n_estimators=2, seed=1)]}


def costly_experts(seed: int = 1) -> list[Classifier]:
    """Return the experts of the costly tier: an aggregated Mondrian forest of bounded size.

    River's adaptive random forest would be the other candidate. It costs three times as much, adds nothing measurable
    on the benchmark's sets beside these two, and its state differs between equal runs: its splitters hold random
    generators seeded by the operating system.
    """
    return [AMFClassifier(n_estimators=10, max_nodes=_MAX_NODES, seed=seed)]


def _named(deviations: FloatArray) -> dict[str, float]:
    return {f"{column:03d}": value for column, value in enumerate(deviations.tolist())}

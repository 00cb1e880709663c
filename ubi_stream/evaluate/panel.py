"""A pack's candidates, and the panel of them, judged on any labelled set: the same models as in a worker."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from ubi_stream.arrays import FloatArray, row_of
from ubi_stream.errors import ConfigError
from ubi_stream.evaluate.datasets import Dataset
from ubi_stream.evaluate.ensemble import ENSEMBLE, PackEnsemble, pack_of_ensemble
from ubi_stream.evaluate.progressive import Task
from ubi_stream.features.stage import Featurizer
from ubi_stream.models.catalogue import MODELS
from ubi_stream.models.outcomes.candidate import Candidate
from ubi_stream.models.outcomes.panel import OutcomePanel
from ubi_stream.models.registry import Recipe, kinds
from ubi_stream.packs.candidates import CandidateModel, of_task, running
from ubi_stream.packs.loader import load_pack, shipped_packs
from ubi_stream.packs.plan import compile_plan

ALL: Final = "panel"
"""In place of a candidate's name: all of them, as a worker runs them."""


class PanelModel:
    """A panel as a classifier of named values, River's way, so that it can be judged as any other.

    Numbers become a row in the order of `features`; words are left out, as a pack has none. The prediction that is
    judged is the calibrated one of the candidate that serves, from the first label on; `ubi evaluate --warm-up` leaves
    out what a worker would not tell.

    Parameters
    ----------
    panel
        The candidates, made without warm-up.
    features
        Names of the columns.
    scale
        What is done to a row before the models see it: a worker maps its features to [0, 1].
    """

    task: Final[Task] = "classification"

    def __init__(
        self, panel: OutcomePanel, features: Sequence[str], scale: Callable[[FloatArray], FloatArray] | None = None
    ) -> None:
        self.panel = panel
        self.features = tuple(features)
        self._scale = scale
        self._asked: dict[int, tuple[int, FloatArray, bytes]] = {}
        self._opened = 0

    def predict_proba_one(self, x: dict[str, Any]) -> dict[bool, float]:
        """Return both probabilities; nothing before the first label of each class."""
        row = self._row(x)
        prediction = self.panel.predict_many(row[np.newaxis])
        self._opened += 1
        predicted = self.panel.ask(row[np.newaxis], [self._opened], prediction)[0]
        self._asked[id(x)] = (self._opened, row, predicted)
        delivered = float(prediction.delivered[0])
        return {} if math.isnan(delivered) else {False: 1.0 - delivered, True: delivered}

    def learn_one(self, x: dict[str, Any], y: bool) -> None:
        """Learn the label of a row that was predicted, or of any other."""
        pending, row, predicted = self._asked.pop(id(x), (None, self._row(x), None))
        self.panel.learn(row, y, asked=predicted, pending=pending)

    def _row(self, x: dict[str, Any]) -> FloatArray:
        numbers = {name: value for name, value in x.items() if isinstance(value, int | float)}
        row = row_of(numbers, self.features)
        return row if self._scale is None else self._scale(row)


def numeric_columns(dataset: Dataset) -> list[str]:
    """Return the columns of a set that are numbers wherever they are not missing, sorted."""
    rows = [example.x for example in dataset.examples]
    words = {name for x in rows for name, value in x.items() if isinstance(value, str)}
    return sorted({name for x in rows for name in x} - words)


def names() -> dict[str, str]:
    """Return every name that `make_registered` takes, and what it is."""
    found = {kind: "a model of packs" for kind in kinds() if kind not in MODELS}
    for pack in map(load_pack, shipped_packs()):
        predicting = of_task("classification", pack.models.candidates, costly=True)
        for candidate in predicting:
            found[f"{pack.name}/{candidate.outcome}/{candidate.name}"] = f"candidate of a pack: {candidate.kind}"
        for outcome in {candidate.outcome: None for candidate in predicting}:
            found[f"{pack.name}/{outcome}/{ALL}"] = "all candidates, as a worker runs them"
        if pack.models.anomaly is not None:
            found[f"{pack.name}/{ENSEMBLE}"] = "the pack's anomaly ensemble with its voices, as a worker runs it"
    return found


def make_registered(name: str, columns: Sequence[str], *, seed: int = 1) -> PanelModel | PackEnsemble | None:
    """Make the model of a name such as ``ecommerce/buys_in_visit/line`` or ``ecommerce/anomalies``, or of a kind.

    Parameters
    ----------
    name
        Pack (shipped, or the path of a file), outcome, and candidate or `ALL`; pack and `ENSEMBLE`; or a kind of
        packs' models.
    columns
        Those of the set. A candidate of a pack looks at its own features where the set has them all, else at all.

    Returns
    -------
    None where the name has no such form and is no such kind.

    Raises
    ------
    ConfigError
        The pack has no such outcome or candidate, or no anomaly model.
    """
    if (of_pack := pack_of_ensemble(name)) is not None:
        return PackEnsemble(of_pack, columns, seed=seed)
    if name in kinds() and name not in MODELS:
        return _panel_model("label", [CandidateModel(name="only", outcome="label", kind=name)], columns, None, seed)
    pack_name, outcome, candidate = ([""] * 3 + name.rsplit("/", 2))[-3:]
    if not (pack_name and outcome and candidate):
        return None
    pack = load_pack(pack_name)
    chosen = [c for c in running(pack.models.candidates, outcome, costly=True) if candidate in (c.name, ALL)]
    if not chosen:
        there_are = ", ".join(f"{c.outcome}/{c.name}" for c in pack.models.candidates) or "none"
        raise ConfigError(
            f"pack {pack_name} has no candidate {candidate!r} for an outcome {outcome!r}; there are: {there_are}"
        )
    return _panel_model(outcome, chosen, columns, Featurizer(compile_plan(pack, pack.entities[0].name)), seed)


def _panel_model(
    outcome: str, candidates: Sequence[CandidateModel], columns: Sequence[str], own: Featurizer | None, seed: int
) -> PanelModel:
    has_own = own is not None and set(own.names) <= set(columns)
    features = own.names if own is not None and has_own else tuple(columns)
    made = [
        Candidate(
            candidate.name,
            Recipe(
                candidate.kind, (candidate.features if has_own else ()) or features, dict(candidate.parameters), seed
            ),
            features,
            share=candidate.share,
            min_labels=2,
            min_per_class=1,
        )
        for candidate in candidates
    ]
    return PanelModel(OutcomePanel(outcome, made), features, own.scale if own is not None and has_own else None)

"""A pack's anomaly ensemble, with the voices that the pack adds, judged on any labelled set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ubi_stream.arrays import FloatArray, row_of
from ubi_stream.errors import ConfigError
from ubi_stream.evaluate.progressive import Task
from ubi_stream.features.stage import Featurizer
from ubi_stream.models.anomaly.ensemble import DetectorEnsemble
from ubi_stream.models.anomaly.inputs import DetectorInputs
from ubi_stream.models.anomaly.stage import OWN_BASELINE, custom_detectors_of
from ubi_stream.models.anomaly.tables import words_key
from ubi_stream.packs.loader import load_pack, shipped_overlays, shipped_packs
from ubi_stream.packs.plan import compile_plan

ENSEMBLE: Final = "anomalies"
"""What stands after a pack's name for its ensemble."""


class PackEnsemble:
    """The `DetectorEnsemble` of a pack's users, as a worker makes it, over named values.

    Where the set has all features that the ensemble watches, it sees those, in the pack's scale, and how far the entity
    is from its own baseline, as far as the set has that too; else all numbers of the set, as they are. Voices whose
    features the set lacks see what the others see. Words are a combination of discrete values.

    Parameters
    ----------
    pack
        Name of a shipped pack, or the path of a file.
    columns
        Numbers of the set.

    Raises
    ------
    ConfigError
        The pack is wrong, or has no `[models.anomaly]`.
    """

    task: Final[Task] = "anomaly"

    def __init__(self, pack: str, columns: Sequence[str], *, seed: int) -> None:
        loaded = load_pack(pack)
        config = loaded.models.anomaly
        if config is None:
            raise ConfigError(f"pack {pack} has no [models.anomaly]: there is no ensemble to judge")
        plan = compile_plan(loaded, loaded.entities[0].name)
        featurizer = Featurizer(plan)
        watched = plan.entity.anomaly_features or featurizer.names
        self.is_own = set(watched) <= set(columns)
        self._names = featurizer.names if self.is_own else tuple(columns)
        self._scale = featurizer.scale
        features = watched if self.is_own else self._names
        self._columns = np.array([self._names.index(name) for name in features], dtype=np.intp)
        own = OWN_BASELINE if self.is_own else ()
        self._own_columns = np.array([self._names.index(name) for name in own if name in self._names], dtype=np.intp)
        self.blend = DetectorEnsemble(
            features,
            trees=config.trees,
            height=config.height,
            window=config.window,
            unit=self.is_own,
            custom_detectors=custom_detectors_of(plan, features, seed=seed),
            seed=seed,
        )

    def score_learn_many(self, xs: Sequence[Mapping[str, Any]]) -> FloatArray:
        """Score rows of named values, each before it is learned, shape (n,); 0.0 while warming up."""
        values = np.array([row_of(_numbers(x), self._names) for x in xs])
        rows = self._scale(values) if self.is_own else values
        inputs = DetectorInputs.of(
            np.ascontiguousarray(rows[:, self._columns]),
            np.abs(values[:, self._own_columns]),
            np.array([words_key(x) for x in xs], dtype=np.uint64),
        )
        scores = np.zeros(len(xs))
        for part in self.blend.parts(len(xs)):
            look = self.blend.look(inputs[part])
            self.blend.learn(inputs[part], look)
            scores[part] = np.nan_to_num(look.score, nan=0.0)
        return scores


def pack_of_ensemble(name: str) -> str | None:
    """The pack in a name such as ``ecommerce/anomalies``; None where the name has no such form."""
    pack, _, last = name.rpartition("/")
    is_pack = pack in shipped_packs() or pack in shipped_overlays() or (pack != "" and Path(pack).is_file())
    return pack if last == ENSEMBLE and is_pack else None


def _numbers(x: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in x.items() if isinstance(value, int | float)}

"""What waits for the end of its block is in a snapshot: moving within a block changes no bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from ubi_stream.arrays import FloatArray
from ubi_stream.models.anomaly.ensemble import DetectorEnsemble
from ubi_stream.models.anomaly.inputs import DetectorInputs
from ubi_stream.models.anomaly.peers import PeerBaseline
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.quantile import OnlineQuantile
from ubi_stream.models.common.snapshot import dumps, loads

Model: TypeAlias = PeerBaseline | OnlineQuantile | DetectorEnsemble

WINDOW = 40
FEATURES = ("a", "b")


def quantile() -> OnlineQuantile:
    return OnlineQuantile(0.9, block=WINDOW, min_count=WINDOW)


def peers() -> PeerBaseline:
    return PeerBaseline(len(FEATURES), block=WINDOW)


def blend() -> DetectorEnsemble:
    return DetectorEnsemble(FEATURES, trees=3, height=3, window=WINDOW, sample=20, seed=1)


def say(model: Model, rows: FloatArray) -> FloatArray:
    """What a model says of rows, which it then learns."""
    if isinstance(model, OnlineQuantile):
        return np.concatenate(model.rank_many(rows[:, 0]))
    if isinstance(model, PeerBaseline):
        model.observe(rows, [number % 7 for number in range(len(rows))])
        return model.usual
    predicted = []
    for part in model.parts(len(rows)):
        inputs = DetectorInputs.of(rows[part])
        look = model.look(inputs)
        model.learn(inputs, look)
        predicted.append(look.score)
    return np.concatenate(predicted)


def moved(model: Model) -> Model:
    restored = loads(dumps(model, key=b"k", feature_hash=""), key=b"k", feature_hash="")
    assert isinstance(restored, type(model))
    return restored


@pytest.mark.parametrize("make", [quantile, peers, blend])
def test_a_model_that_moves_within_a_block_goes_on_as_if_nothing_had_happened(make: Callable[[], Model]) -> None:
    rows = np.random.default_rng(3).random((5 * WINDOW, len(FEATURES)))
    rows[::7, 1] = np.nan
    stays, moves = make(), make()
    for start in range(0, len(rows), 3):
        part = rows[start : start + 3]
        assert say(stays, part).tobytes() == say(moves, part).tobytes()
        moves = moved(moves)
    assert digest(stays) == digest(moves)

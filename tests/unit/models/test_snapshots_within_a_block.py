"""What waits for the end of its block is in a snapshot: moving within a block changes no bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from ubi_stream.models.arrays import FloatArray
from ubi_stream.models.digest import digest
from ubi_stream.models.oddness.blend import OddnessBlend
from ubi_stream.models.oddness.sights import Sights
from ubi_stream.models.peers import PeerBaseline
from ubi_stream.models.quantile import OnlineQuantile
from ubi_stream.models.snapshot import dumps, loads

Model: TypeAlias = PeerBaseline | OnlineQuantile | OddnessBlend

WINDOW = 40
FEATURES = ("a", "b")


def quantile() -> OnlineQuantile:
    return OnlineQuantile(0.9, block=WINDOW, min_count=WINDOW)


def peers() -> PeerBaseline:
    return PeerBaseline(len(FEATURES), block=WINDOW)


def blend() -> OddnessBlend:
    return OddnessBlend(FEATURES, trees=3, height=3, window=WINDOW, sample=20, seed=1)


def say(model: Model, rows: FloatArray) -> FloatArray:
    """What a model says of rows, which it then learns."""
    if isinstance(model, OnlineQuantile):
        return np.concatenate(model.rank_many(rows[:, 0]))
    if isinstance(model, PeerBaseline):
        model.observe(rows, [number % 7 for number in range(len(rows))])
        return model.usual
    said = []
    for part in model.parts(len(rows)):
        sights = Sights.of(rows[part])
        look = model.look(sights)
        model.learn(sights, look)
        said.append(look.score)
    return np.concatenate(said)


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

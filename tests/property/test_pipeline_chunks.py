"""Where a stream is cut into batches changes nothing that comes out."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.folding import Runner
from support.probe import FURTHER_MODELS, probe_pack, record
from support.streams import Stream
from ubi_stream.effects import Effects
from ubi_stream.models.common.digest import digest
from ubi_stream.models.common.quantile import OnlineQuantile
from ubi_stream.state.codec import decode_state

COUNT = 120
LIVELY = probe_pack(
    (
        "[models.change]",
        "[models.anomaly.population]\nfactor = 1.1\nwindow_min = 1440\nmin_entities = 2\n\n"
        f"[models.drift]\nblock = 20\nwarm_up_h = 0\nmin_blocks = 5\n\n{FURTHER_MODELS}\n[models.change]",
    )
)


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ubi_stream.models.anomaly.stage.OnlineQuantile", functools.partial(OnlineQuantile, block=20))
        patch.setattr("ubi_stream.models.stage._PEERS_BLOCK", 25)
        patch.setattr("ubi_stream.models.outcomes.stage._BLOCK", 7)
        patch.setattr("ubi_stream.models.anomaly.ensemble.LESSON", 15)
        yield


def together(parts: list[Effects]) -> dict[str, Any]:
    whole = Effects.nothing()
    for part in parts:
        whole.tally.add(part.tally)
        whole.insights.extend(part.insights)
        whole.dead_letters.extend(part.dead_letters)
        whole.windows.extend(part.windows)
        whole.visits.extend(part.visits)
        whole.recommendations.extend(part.recommendations)
        whole.features.extend(part.features)
        whole.forwards.extend(part.forwards)
    return {
        "tally": whole.tally,
        "insights": whole.insights,
        "dead_letters": whole.dead_letters,
        "visits": whole.visits,
        "recommendations": whole.recommendations,
        # A pane that closed is told at the end of its batch at the latest, cells in order.
        "windows": sorted(whole.windows, key=lambda w: (w.pane_start_ms, w.measure, w.key)),
        "features": whole.features,
        # Of one batch, those to users come before those to shops: they go to different topics.
        "forwards": [[f for f in whole.forwards if f.entity == entity] for entity in ("user", "shop")],
    }


def run(seed: int, cuts: list[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    runner = Runner(LIVELY, cache_size=3)
    stream = [
        record(value, offset, key=key, timestamp_ms=arrived_ms)
        for offset, (key, value, arrived_ms) in enumerate(Stream(seed).contents(COUNT))
    ]
    bounds = [0, *cuts, COUNT]
    batches = [stream[a:b] for a, b in pairwise(bounds) if a < b]
    effects = together([runner.run_records(batch) for batch in batches])
    runner.partition.take_checkpoint()
    states = {key: decode_state(blob)[1] for key, blob in runner.states.items()}
    return effects, {"states": states, "models": digest(runner.partition.models)}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, COUNT - 1), unique=True, max_size=12).map(sorted))
def test_any_cut_gives_the_same(seed: int, cuts: list[int]) -> None:
    whole, parts = run(seed, []), run(seed, cuts)
    assert parts == whole


def test_one_at_a_time_gives_the_same() -> None:
    assert run(1, list(range(1, COUNT))) == run(1, [])

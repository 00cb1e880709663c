"""Whatever a user does, every feature is a finite number or missing, and shares are shares."""

from __future__ import annotations

from math import isfinite, isnan
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from support.folding import Runner
from support.probe import DAY_MS, START_MS, event, probe_pack, record
from ubi_stream.events.stage import read_events
from ubi_stream.features.registry import all_features
from ubi_stream.features.stage import Featurized
from ubi_stream.packs.schema import Pack

UNITS_WITHIN_ONE = ("share", "0 or 1")

contents = st.builds(
    event,
    at_ms=st.integers(START_MS, START_MS + 20 * DAY_MS) | st.integers(START_MS, START_MS + 3_600_000),
    event_type=st.sampled_from(["view", "cart", "purchase", "$label"]),
    price=st.floats(-1e12, 1e12) | st.just(0) | st.none(),
    latency_ms=st.floats(-1, 1e12) | st.just("slow"),
    category=st.text(max_size=3) | st.none(),
    session_id=st.none() | st.sampled_from(["a", "b"]),
    context=st.fixed_dictionaries({}, optional={"utc_offset_min": st.integers(-2000, 2000)}),
)


def pack_with(windows: str) -> Pack:
    """The probe's pack with every feature that such windows allow, and nothing else."""
    pack = probe_pack()
    names = tuple(name for name, found in all_features().items() if found.windows in (None, windows))
    user = pack.entities[0].model_copy(update={"features": names, "anomaly_features": (), "windows": windows})
    return pack.model_copy(update={"entities": (user,), "segments": (), "rules": ()})


PACKS = {windows: pack_with(windows) for windows in ("paned", "exact")}


def featurize(pack: Pack, events: list[dict[str, Any]]) -> Featurized:
    pipeline = Runner(pack).partition.pipeline
    records = [record(content, n) for n, content in enumerate(events)]
    read = read_events(records, pipeline.validator, forwarded=False)
    return pipeline.featurizer.featurize(pipeline.folder.fold(read.events))


@settings(max_examples=120, deadline=None)
@given(st.lists(contents, min_size=1, max_size=25), st.sampled_from(["paned", "exact"]))
def test_features_are_finite_or_missing_and_shares_are_shares(events: list[dict[str, Any]], windows: str) -> None:
    batch = featurize(PACKS[windows], events)
    known = all_features()
    for name, column in zip(PACKS[windows].entities[0].features, batch.values.T, strict=True):
        found = known[name]
        for value in column.tolist():
            assert isnan(value) or isfinite(value), name
            if found.unit in UNITS_WITHIN_ONE:
                assert isnan(value) or 0 <= value <= 1, name
            elif found.unit in ("events", "visits", "categories"):
                assert isnan(value) or (value >= 0 and value == int(value)), name
    assert np.all(np.isnan(batch.scaled) | ((batch.scaled >= 0) & (batch.scaled <= 1)))
    assert np.array_equal(np.isnan(batch.scaled), np.isnan(batch.values))
    assert np.all(np.isnan(batch.usual) | np.isfinite(batch.usual))
    for context in batch.context:
        assert context.events >= 1
        assert context.was_silent_ms >= -1


@settings(max_examples=60, deadline=None)
@given(st.lists(contents, min_size=2, max_size=25), st.integers(1, 24), st.sampled_from(["paned", "exact"]))
def test_where_a_stream_is_cut_does_not_change_a_feature(events: list[dict[str, Any]], cut: int, windows: str) -> None:
    pack = PACKS[windows]
    whole, parts = Runner(pack), Runner(pack)
    at_once = whole.run(*events).features
    in_parts = [row for part in (events[:cut], events[cut:]) if part for row in parts.run(*part).features]
    assert in_parts == at_once

"""Users are erased while workers crash: what is left is what a run without a crash leaves, and nobody comes back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.barrier import Chance, Cluster, PartitionTask
from support.folding import Runner
from support.probe import EVENTS_TOPIC, probe_pack, record
from support.streams import Stream
from support.topology import BY_USER, small_blocks
from ubi_stream.models.common.digest import digest
from ubi_stream.state.codec import decode_state
from ubi_stream.state.erasure import Erasures

COUNT = 180


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        yield


def run(seed: int, chance: Chance) -> tuple[Cluster, PartitionTask]:
    """A stream with erasures through one partition of users; what it forwards to itself comes at the end."""
    cluster = Cluster(partitions=1)
    for key, value, timestamp_ms in Stream(seed, erasures=0.06).contents(COUNT):
        cluster.append(EVENTS_TOPIC, 0, key, value, timestamp_ms)
    task = PartitionTask(cluster, probe_pack(), "user", 0, chance)
    for start in range(0, COUNT, 45):
        task.read([(EVENTS_TOPIC, offset) for offset in range(start, start + 45)])
        before = task._at[BY_USER]
        task.read([(BY_USER, offset) for offset in range(before, len(cluster.logs[BY_USER, 0]))])
    return cluster, task


def erased(task: PartitionTask) -> dict[str, tuple[int, int]]:
    kept = task._partition._memory.erased
    return {erased_id: (one.at_ms, one.arrived_ms) for erased_id, one in kept.items()}


def differs(seed: int) -> bool:
    quiet, undisturbed = run(seed, Chance())
    stormy, crashed = run(seed, Chance(seed, crashes=6))
    return (
        crashed.outcome() != undisturbed.outcome()
        or dict(stormy.insights) != dict(quiet.insights)
        or erased(crashed) != erased(undisturbed)
    )


@pytest.mark.parametrize("decade", range(3))
def test_a_partition_that_crashes_comes_out_as_one_that_does_not(decade: int) -> None:
    assert [seed for seed in range(decade * 8, decade * 8 + 8) if differs(seed)] == []


def test_the_streams_have_what_matters() -> None:
    labels: Counter[str] = Counter()
    came_back = dropped = 0
    for seed in range(8):
        cluster, task = run(seed, Chance())
        delivered = [json.loads(content)["data"] for (content,) in cluster.insights.values()]
        labels.update(data["label"] for data in delivered if data["kind"] == "erasure")
        states = task.durable.states.content(0)
        came_back += sum(task._partition._erasures.find(key.decode()) is not None for key in states)
        runner = Runner()
        contents = Stream(seed, erasures=0.06).contents(COUNT)
        for key, value, arrived_ms in contents:
            runner_record = record(value, runner.offset, key=key, timestamp_ms=arrived_ms)
            runner.offset += 1
            dropped += runner.run_records([runner_record]).tally.erased
    assert min(labels["erased"], labels["unknown"]) > 5
    assert came_back > 5
    assert dropped > 5


@pytest.mark.parametrize(
    ("name", "instead"),
    [("outlived", lambda _self, _entity_ids, _states, **_options: []), ("begin", lambda _self, _entity_id, live: live)],
)
def test_the_comparison_sees_what_holds_it_up(
    monkeypatch: pytest.MonkeyPatch, name: str, instead: Callable[..., Any]
) -> None:
    """States of before an erasure that a crash left, and where the states after it begin."""
    monkeypatch.setattr(Erasures, name, instead)
    assert any(differs(seed) for seed in range(50, 130))  # about one in ten does


def outcome(seed: int, cuts: list[int]) -> dict[str, Any]:
    runner = Runner(cache_size=3)
    stream = [
        record(value, offset, key=key, timestamp_ms=arrived_ms)
        for offset, (key, value, arrived_ms) in enumerate(Stream(seed, erasures=0.08).contents(COUNT))
    ]
    effects = [runner.run_records(stream[a:b]) for a, b in pairwise([0, *cuts, COUNT]) if a < b]
    runner.partition.take_checkpoint()
    return {
        "insights": [insight for part in effects for insight in part.insights],
        "erased": sum(part.tally.erased for part in effects),
        "states": {key: decode_state(blob)[1] for key, blob in runner.states.items()},
        "models": digest(runner.partition.models),
    }


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, COUNT - 1), unique=True, max_size=12).map(sorted))
def test_where_the_stream_is_cut_changes_nothing(seed: int, cuts: list[int]) -> None:
    assert outcome(seed, cuts) == outcome(seed, [])

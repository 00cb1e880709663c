"""Crash anywhere, any number of times: states, models, memory, insights and counts come out as if nothing had happened.

Each seed is another stream (late events, duplicates, garbage, wrong keys, labels, long silences) and another fate:
where the stream is cut into chunks, when there is a barrier, before which of its writes the worker dies.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest

from support.barrier import Chance, Cluster, PartitionTask
from support.probe import EVENTS_TOPIC, probe_pack
from support.streams import Stream
from support.topology import BY_SHOP, BY_USER, delivered, run_topology, small_blocks
from ubi_stream.packs.schema import Pack
from ubi_stream.state.store import StateStore

TURNS = (("user", EVENTS_TOPIC), ("user", BY_USER), ("shop", BY_SHOP))


@pytest.fixture(autouse=True)
def _everything_happens_early(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)


def run_one_partition(
    seed: int, chance: Chance, pack: Pack, *, states_first: bool = False
) -> tuple[Cluster, PartitionTask]:
    """All records of a stream through one partition of users."""
    cluster = Cluster(partitions=1)
    for key, value, timestamp_ms in Stream(seed).contents(180):
        cluster.append(EVENTS_TOPIC, 0, key, value, timestamp_ms)
    task = PartitionTask(cluster, pack, "user", 0, chance, states_first=states_first)
    task.read([(EVENTS_TOPIC, offset) for offset in range(180)])
    return cluster, task


@pytest.mark.parametrize("decade", range(10))
def test_a_partition_that_crashes_comes_out_as_one_that_does_not(decade: int) -> None:
    pack = probe_pack()
    restarts = 0
    for seed in range(decade * 10, decade * 10 + 10):
        quiet, undisturbed = run_one_partition(seed, Chance(), pack)
        stormy, crashed = run_one_partition(seed, Chance(seed, crashes=5), pack)
        assert crashed.outcome() == undisturbed.outcome(), f"seed {seed}"
        assert delivered(stormy) == delivered(quiet), f"seed {seed}"
        assert all(len(contents) == 1 for contents in stormy.insights.values()), f"seed {seed}: one id, one content"
        restarts += crashed.restarts
    assert restarts >= 20


@pytest.mark.parametrize("seed", range(12))
def test_partitions_that_forward_to_each_other_and_crash_come_out_as_ones_that_do_not(seed: int) -> None:
    pack = probe_pack()
    quiet, undisturbed = run_topology(seed, Chance, pack, TURNS)
    fates = iter(range(4 * seed, 4 * seed + 4))
    stormy, crashed = run_topology(seed, lambda: Chance(next(fates), crashes=4), pack, TURNS)
    for calm, wild in zip(undisturbed, crashed, strict=True):
        assert wild.outcome() == calm.outcome()
    assert delivered(stormy) == delivered(quiet)
    assert len(stormy.logs[BY_SHOP, 0]) >= len(quiet.logs[BY_SHOP, 0]) > 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_more_fates() -> None:
    pack = probe_pack()
    for seed in range(1000, 2000):
        quiet, undisturbed = run_one_partition(seed, Chance(), pack)
        stormy, crashed = run_one_partition(seed, Chance(seed, crashes=seed % 9), pack)
        assert crashed.outcome() == undisturbed.outcome(), f"seed {seed}"
        assert delivered(stormy) == delivered(quiet), f"seed {seed}"


def test_the_streams_bring_about_everything_that_can_happen(monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[str] = []

    class WatchedStore(StateStore):
        def forget(self, entity_id: str) -> None:
            forgotten.append(entity_id)
            super().forget(entity_id)

    monkeypatch.setattr("ubi_stream.partition.StateStore", WatchedStore)
    kinds: Counter[str] = Counter()
    for seed in range(20):
        cluster, _ = run_one_partition(seed, Chance(), probe_pack())
        kinds.update(json.loads(content)["data"]["kind"] for (content,) in cluster.insights.values())
        assert cluster.logs[BY_USER, 0]
        assert cluster.logs[BY_SHOP, 0]
        assert cluster.windows
        assert cluster.visits
        assert cluster.dead_letters
        assert cluster.features
    everyday = {"segment", "recommendation", "risk", "anomaly"}
    assert set(kinds) == everyday | {"label", "prediction", "model"}
    assert forgotten


def test_the_comparison_sees_an_event_that_is_folded_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the offset in the state (and the ids, which hide that), some crash must make a difference."""
    pack = probe_pack(("dedup_max_ids = 30", "dedup_max_ids = 0"))
    monkeypatch.setattr("ubi_stream.state.stage.is_applied", lambda _event, _live: False)
    assert _differences(pack) >= 3


def test_the_comparison_sees_a_barrier_in_the_wrong_order() -> None:
    """States before the record: a crash between leaves states that are ahead of what was learned."""
    assert _differences(probe_pack(), states_first=True) >= 3


def test_without_crashes_there_is_no_difference_for_the_control() -> None:
    assert _differences(probe_pack(), crashes=0) == 0


def _differences(pack: Pack, *, states_first: bool = False, crashes: int = 6) -> int:
    different = 0
    for seed in range(15):
        quiet, undisturbed = run_one_partition(seed, Chance(), pack)
        stormy, crashed = run_one_partition(seed, Chance(seed, crashes=crashes), pack, states_first=states_first)
        different += crashed.outcome() != undisturbed.outcome() or delivered(stormy) != delivered(quiet)
    return different

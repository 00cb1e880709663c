"""States on disk instead of in memory: the same states, models, insights and counts, also when the worker crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.barrier import Chance, Cluster, PartitionTask
from support.lanes import STATES, Broker, make_lane, outcome, process, stream
from support.probe import EVENTS_TOPIC, probe_pack
from support.streams import Stream
from ubi_stream.clock import ManualClock
from ubi_stream.kafka.changelog_store import ChangelogStore
from ubi_stream.kafka.rocks import RocksFolder


def run(seed: int, chance: Chance, store: ChangelogStore | None = None) -> tuple[Cluster, PartitionTask]:
    """All records of a stream through one partition of users."""
    cluster = Cluster(partitions=1)
    for key, value, timestamp_ms in Stream(seed, erasures=0.03).contents(180):
        cluster.append(EVENTS_TOPIC, 0, key, value, timestamp_ms)
    task = PartitionTask(cluster, probe_pack(), "user", 0, chance, store=store)
    task.read([(EVENTS_TOPIC, offset) for offset in range(180)])
    return cluster, task


def delivered(cluster: Cluster) -> tuple[object, ...]:
    return dict(cluster.insights), cluster.windows, cluster.features, cluster.dead_letters


@pytest.mark.parametrize("seed", range(4))
def test_a_worker_that_crashes_goes_on_from_its_disk_as_from_the_changelog(seed: int, tmp_path: Path) -> None:
    folder = RocksFolder(tmp_path, ManualClock())
    quiet, undisturbed = run(seed, Chance())
    stormy, crashed = run(seed, Chance(seed, crashes=6), folder.store("user_states", "one"))
    assert crashed.restarts >= 2
    assert crashed.outcome() == undisturbed.outcome()
    assert delivered(stormy) == delivered(quiet)
    assert crashed._states == crashed.durable.states.content(0), "the disk has what a whole restore would find"
    assert crashed.restored < len(crashed.durable.states_log) * crashed.restarts
    crashed._states.close()
    folder.close()


@pytest.mark.parametrize("size", [7, 1_000])
async def test_a_lane_on_disk_brings_about_what_one_in_memory_does(size: int, tmp_path: Path) -> None:
    folder = RocksFolder(tmp_path, ManualClock())
    states = folder.store("user_states", "one").open(0)
    states.resume(0, 0)
    on_disk, in_memory = Broker(), Broker()
    tasks = make_lane(on_disk, states=states), make_lane(in_memory)
    records = stream(8, 240)
    for start in range(0, 240, 60):
        for task in tasks:
            await process(task, records[start : start + 60], size)
            await task.barrier()
    assert outcome(on_disk, tasks[0]) == outcome(in_memory, tasks[1])
    assert on_disk.sent == in_memory.sent
    assert states == in_memory.changelogs[STATES].content(0)
    store = tasks[0].partition.store
    assert (store.count, store.encoded_bytes) == (len(states), sum(map(len, states.values())))
    states.close()
    folder.close()

"""Ids are merged and split while workers crash: all comes out as without a crash, and each event counts once."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from support.barrier import Chance, Cluster, PartitionTask
from support.people import PeopleStream
from support.probe import EVENTS_TOPIC, probe_pack
from ubi_stream.models import stage
from ubi_stream.models.anomaly import stage as anomaly
from ubi_stream.models.common.quantile import OnlineQuantile

COUNT = 110
BY_USER = f"{EVENTS_TOPIC}.by-user"


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ubi_stream.checkpoint.CHUNK_BYTES", 4000)
        patch.setattr(anomaly, "OnlineQuantile", functools.partial(OnlineQuantile, block=20))
        patch.setattr(stage, "_PEERS_BLOCK", 25)
        yield


def run(
    seed: int, chance: Callable[[], Chance], *, partitions: int, erasures: float = 0.0
) -> tuple[Cluster, list[PartitionTask]]:
    """A stream through partitions of users that take turns until nothing is on its way between them."""
    cluster = Cluster(partitions)
    for key, value, at_ms in PeopleStream(seed, erasures=erasures).contents(COUNT):
        cluster.append(EVENTS_TOPIC, cluster.partition_of(key), key, value, at_ms)
    tasks = [PartitionTask(cluster, probe_pack(), "user", number, chance()) for number in range(partitions)]
    read: Counter[tuple[str, int]] = Counter()
    topics = (EVENTS_TOPIC, BY_USER)
    while any(read[topic, n] < len(cluster.logs[topic, n]) for topic in topics for n in range(partitions)):
        for topic in topics:
            for number, task in enumerate(tasks):
                start, end = read[topic, number], len(cluster.logs[topic, number])
                stop = min(end, start + 30) if topic == EVENTS_TOPIC else end
                task.read([(topic, offset) for offset in range(start, stop)])
                read[topic, number] = stop
                assert stop < 20 * COUNT, "records go round and round"
    return cluster, tasks


def outcome(seed: int, chance: Callable[[], Chance], **options: Any) -> dict[str, object]:
    cluster, tasks = run(seed, chance, **options)
    return {
        "partitions": [task.outcome() for task in tasks],
        "insights": dict(cluster.insights),
        "visits": dict(cluster.visits),
        "windows": cluster.windows,
        "recommendations": dict(cluster.recommendations),
        "features": cluster.features,
    }


def differs(seed: int, **options: Any) -> bool:
    fates = iter(range(100 * seed, 100 * seed + 100))
    return outcome(seed, lambda: Chance(next(fates), crashes=5), **options) != outcome(seed, Chance, **options)


@pytest.mark.parametrize("partitions", [1, 2, 3])
def test_partitions_that_crash_come_out_as_ones_that_do_not(partitions: int) -> None:
    assert [seed for seed in range(4) if differs(seed, partitions=partitions)] == []


def test_so_do_those_with_erasures() -> None:
    assert [seed for seed in range(20, 24) if differs(seed, partitions=2, erasures=0.05)] == []

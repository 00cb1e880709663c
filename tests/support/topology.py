"""Partitions of users and of shops with topics between them, and blocks so small that everything happens early."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from support.barrier import Chance, Cluster, PartitionTask
from support.probe import EVENTS_TOPIC
from support.streams import Stream
from ubi_stream.models import stage
from ubi_stream.models.anomaly import stage as anomaly
from ubi_stream.models.common.quantile import OnlineQuantile
from ubi_stream.packs.schema import Pack

BY_USER, BY_SHOP = f"{EVENTS_TOPIC}.by-user", f"{EVENTS_TOPIC}.by-shop"


def small_blocks(patch: pytest.MonkeyPatch) -> None:
    """Checkpoints of several chunks, and blocks so small that thresholds and peers change many times."""
    patch.setattr("ubi_stream.checkpoint.CHUNK_BYTES", 4000)
    patch.setattr(anomaly, "OnlineQuantile", functools.partial(OnlineQuantile, block=20))
    patch.setattr(stage, "_PEERS_BLOCK", 25)


def run_topology(
    seed: int, chance: Callable[[], Chance], pack: Pack, turns: Sequence[tuple[str, str]]
) -> tuple[Cluster, list[PartitionTask]]:
    """A stream through two partitions of users and two of shops, until nothing is left to read between them.

    The order in which they take turns, entity and topic, is fixed, because it is part of the input: a broker's order
    differs from run to run, with or without a crash.
    """
    cluster = Cluster(partitions=2)
    for key, value, timestamp_ms in Stream(seed, users=10).contents(240):
        cluster.append(EVENTS_TOPIC, cluster.partition_of(key), key, value, timestamp_ms)
    tasks = {
        (entity, n): PartitionTask(cluster, pack, entity, n, chance()) for entity in ("user", "shop") for n in (0, 1)
    }
    read: Counter[tuple[str, int]] = Counter()
    while any(read[topic, n] < len(cluster.logs[topic, n]) for _, topic in turns for n in (0, 1)):
        for entity, topic in turns:
            for number in (0, 1):
                start = read[topic, number]
                end = len(cluster.logs[topic, number])
                stop = min(end, start + 40) if topic == EVENTS_TOPIC else end
                tasks[entity, number].read([(topic, offset) for offset in range(start, stop)])
                read[topic, number] = stop
    return cluster, list(tasks.values())


def delivered(cluster: Cluster) -> dict[str, object]:
    """What reached the broker, in whatever order and however often."""
    return {
        "insights": dict(cluster.insights),
        "windows": cluster.windows,
        "visits": dict(cluster.visits),
        "recommendations": dict(cluster.recommendations),
        "features": cluster.features,
        "dead_letters": cluster.dead_letters,
    }

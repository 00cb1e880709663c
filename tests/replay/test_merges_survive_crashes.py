"""Ids are merged and split while workers crash: all comes out as without a crash, and each event counts once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from support.barrier import Chance, Cluster, PartitionTask
from support.people import PeopleStream
from support.probe import EVENTS_TOPIC, probe_pack
from support.topology import BY_USER, small_blocks
from ubi_stream.state.codec import decode_state
from ubi_stream.state.identities import Handover, Handovers

COUNT = 110
PACK = probe_pack(("retention_days = 1", "retention_days = 3"))
"""Partitions take turns, and are days apart: nobody is to be forgotten whose events are still on the way."""


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        yield


def run(
    seed: int, chance: Callable[[], Chance], *, partitions: int, erasures: float = 0.0
) -> tuple[Cluster, list[PartitionTask]]:
    """A stream through partitions of users that take turns until nothing is on its way between them."""
    cluster = Cluster(partitions)
    for key, value, at_ms in PeopleStream(seed, erasures=erasures).contents(COUNT):
        cluster.append(EVENTS_TOPIC, cluster.partition_of(key), key, value, at_ms)
    tasks = [PartitionTask(cluster, PACK, "user", number, chance()) for number in range(partitions)]
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
    assert [seed for seed in range(3) if differs(seed, partitions=partitions)] == []


def test_so_do_those_with_erasures() -> None:
    assert [seed for seed in range(20, 23) if differs(seed, partitions=2, erasures=0.05)] == []


def test_the_streams_have_what_matters() -> None:
    kinds: Counter[str] = Counter()
    redirected = carried = circles = merged = 0
    for seed in range(6):
        cluster, tasks = run(seed, Chance, partitions=2, erasures=0.05)
        for one in (one for number in (0, 1) for one in cluster.logs[BY_USER, number]):
            headers, event = dict(one.headers), json.loads(one.value or b"")
            if "ubi-user" not in headers:
                continue  # it came under a wrong key
            kinds[event["event_type"]] += 1
            redirected += headers["ubi-user"] != event["user_id"].encode()
            carried += "ubi-state" in headers
            circles += event.get("properties", {}).get("anonymous_id", "").encode() == headers["ubi-user"]
        blobs = [blob for task in tasks for blob in task.durable.states.content(0).values()]
        merged += sum(bool(decode_state(blob)[1].identities) for blob in blobs)
    assert min(kinds["$merge"], kinds["$unmerge"], kinds["$erase"], redirected, carried, circles, merged) > 0, kinds


def test_the_comparison_sees_a_profile_that_no_checkpoint_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that is handed over before it is durable that it was: a crash between the two loses it."""

    def forgetful(handovers: Handovers) -> Sequence[Handover]:
        waiting = tuple(handovers._waiting)
        handovers._waiting.clear()
        return waiting

    monkeypatch.setattr(Handovers, "checkpoint", forgetful)
    assert any(differs(seed, partitions=2) for seed in range(8))

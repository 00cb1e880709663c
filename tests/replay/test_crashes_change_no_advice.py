"""Crash anywhere: forecasts, chosen recommendations and what was learned come out as if nothing had happened."""

from __future__ import annotations

import json

import msgspec
import pytest

from support.advice import advice_pack, weeks
from support.barrier import Chance, Cluster, PartitionTask
from support.probe import EVENTS_TOPIC
from ubi_stream.packs.schema import Pack

CONVERSION = advice_pack()
THOMPSON = advice_pack(("LinUCBDisjoint", "ThompsonSampling"))


def run(seed: int, chance: Chance, pack: Pack) -> tuple[Cluster, PartitionTask]:
    """Weeks of events through one partition of users."""
    cluster = Cluster(partitions=1)
    contents = weeks(seed)
    for content in contents:
        key, arrived_ms = str(content["user_id"]).encode(), int(content["event_time"])
        cluster.append(EVENTS_TOPIC, 0, key, msgspec.json.encode(content), arrived_ms)
    task = PartitionTask(cluster, pack, "user", 0, chance)
    task.read([(EVENTS_TOPIC, offset) for offset in range(len(contents))])
    return cluster, task


@pytest.mark.parametrize("pack", [CONVERSION, THOMPSON], ids=["context", "thompson"])
def test_a_partition_that_crashes_advises_as_one_that_does_not(pack: Pack) -> None:
    restarts = 0
    kinds: set[str] = set()
    for seed in range(8):
        quiet, undisturbed = run(seed, Chance(), pack)
        stormy, crashed = run(seed, Chance(seed, crashes=5), pack)
        assert crashed.outcome() == undisturbed.outcome(), f"seed {seed}"
        assert dict(stormy.insights) == dict(quiet.insights), f"seed {seed}"
        assert dict(stormy.recommendations) == dict(quiet.recommendations), f"seed {seed}"
        assert all(len(contents) == 1 for contents in stormy.insights.values()), f"seed {seed}: one id, one content"
        kinds |= {json.loads(content)["data"]["kind"] for (content,) in quiet.insights.values()}
        restarts += crashed.restarts
    assert restarts >= 10
    assert {"forecast", "recommendation"} <= kinds

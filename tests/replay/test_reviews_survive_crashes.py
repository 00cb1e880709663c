"""Crash anywhere: each day's review takes place once, and finds the same."""

from __future__ import annotations

import functools
import json
from collections import Counter
from random import Random

import msgspec
import pytest

from support.barrier import Chance, Cluster, PartitionTask
from support.habits import days_of, habit_pack, in_order
from support.probe import EVENTS_TOPIC
from ubi_stream.models import stage
from ubi_stream.models.anomaly import stage as anomaly
from ubi_stream.models.common.quantile import OnlineQuantile

PACK = habit_pack(("min_visits = 8", "min_visits = 4"))


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anomaly, "OnlineQuantile", functools.partial(OnlineQuantile, block=20))
    monkeypatch.setattr(stage, "_PEERS_BLOCK", 25)


def events_of(seed: int) -> list[dict[str, object]]:
    """Three users for five weeks: one stops, one comes more often, one is silent for weeks and comes back."""
    draw = Random(seed)
    stops = [draw.choice([1, 2]) for _ in range(20)]
    more = [draw.choice([0, 1]) for _ in range(24)] + [4] * 8
    away = [draw.choice([1, 2]) for _ in range(5)] + [0] * 22 + [2] * 6
    users = {"stops": stops, "more": more, "away": away}
    return in_order(*(days_of(user, days, events=draw.choice([1, 2])) for user, days in users.items()))


def run(seed: int, chance: Chance) -> tuple[Cluster, PartitionTask]:
    cluster = Cluster(partitions=1)
    events = events_of(seed)
    for content in events:
        at_ms = content["event_time"]
        assert isinstance(at_ms, int)
        cluster.append(EVENTS_TOPIC, 0, str(content["user_id"]).encode(), msgspec.json.encode(content), at_ms)
    task = PartitionTask(cluster, PACK, "user", 0, chance)
    task.read([(EVENTS_TOPIC, offset) for offset in range(len(events))])
    return cluster, task


@pytest.mark.parametrize("decade", range(4))
def test_a_partition_that_crashes_reviews_the_same_days(decade: int) -> None:
    delivered: Counter[str] = Counter()
    restarts = 0
    for seed in range(decade * 5, decade * 5 + 5):
        quiet, undisturbed = run(seed, Chance())
        stormy, crashed = run(seed, Chance(seed, crashes=6))
        assert crashed.outcome() == undisturbed.outcome(), f"seed {seed}"
        assert dict(stormy.insights) == dict(quiet.insights), f"seed {seed}"
        for (content,) in quiet.insights.values():
            insight = json.loads(content)["data"]
            delivered[f"{insight['kind']}/{insight['label']}"] += 1
        restarts += crashed.restarts
    assert restarts >= 10
    assert delivered["behaviour_change/rate_down"] >= 1
    assert delivered["behaviour_change/rate_up"] >= 1

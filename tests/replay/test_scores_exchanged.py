"""A score of one entity is a property of its users' events: in order, exactly once, over crashes."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from support.barrier import Chance, Cluster
from support.folding import Runner
from support.probe import EVENTS_TOPIC, MINUTE_MS, PROBE_TOML, START_MS, event
from support.topology import BY_SHOP, BY_USER, delivered, run_topology, small_blocks
from ubi_stream.events.stage import SHARED
from ubi_stream.packs.loader import parse_pack

EXCHANGE = """
[[exchanges]]
entity = "shop"
property = "shop_anomaly"
types = ["purchase"]

[[features]]
name = "shop_anomaly_24h"
kind = "max"
property = "shop_anomaly"
window = "24h"

[[segments]]
name = "dormant"
"""
PACK = parse_pack(
    PROBE_TOML.replace('[[segments]]\nname = "dormant"\n', EXCHANGE, 1).replace(
        '"bounce_rate", "amount_z", "burstiness",', '"bounce_rate", "amount_z", "shop_anomaly_24h",', 1
    ),
    where="probe",
)
TURNS = (("user", EVENTS_TOPIC), ("shop", BY_SHOP), ("user", BY_USER))


@pytest.fixture(autouse=True)
def _everything_happens_early(monkeypatch: pytest.MonkeyPatch) -> None:
    small_blocks(monkeypatch)


@pytest.mark.parametrize("seed", range(6))
def test_partitions_that_exchange_scores_and_crash_come_out_as_ones_that_do_not(seed: int) -> None:
    quiet, undisturbed = run_topology(seed, Chance, PACK, TURNS)
    fates = iter(range(4 * seed, 4 * seed + 4))
    stormy, crashed = run_topology(seed, lambda: Chance(next(fates), crashes=4), PACK, TURNS)
    for calm, wild in zip(undisturbed, crashed, strict=True):
        assert wild.outcome() == calm.outcome()
    assert delivered(stormy) == delivered(quiet)
    assert sum(task.restarts for task in crashed) > 0


def rows(cluster: Cluster) -> Counter[tuple[str, str]]:
    """Kind of entity and event of each feature row."""
    written = [msgspec.json.decode(row) for row in cluster.features]
    return Counter((row["entity"], row["event_id"]) for row in written)


def test_no_event_is_lost_or_doubled_by_going_another_way() -> None:
    straight = PACK.model_copy(update={"exchanges": ()})
    found = [rows(run_topology(3, Chance, pack, TURNS)[0]) for pack in (straight, PACK)]
    assert found[0] == found[1]
    assert set(found[0].values()) == {1}
    assert min(Counter(entity for entity, _ in found[1]).values()) > 20


def test_the_score_is_among_the_properties_once_the_model_is_warm() -> None:
    cluster, _ = run_topology(3, Chance, PACK, TURNS)
    returned = [record for n in (0, 1) for record in cluster.logs[BY_USER, n] if b'"shop_id"' in (record.value or b"")]
    scores = [msgspec.json.decode(dict(record.headers).get(SHARED, b"{}")) for record in returned]
    assert {} in scores
    assert [one for one in scores if 0.0 <= one.get("shop_anomaly", -1.0) <= 1.0]
    values = [msgspec.json.decode(row)["features"].get("shop_anomaly_24h") for row in cluster.features]
    assert any(value is not None for value in values)


def test_a_score_that_a_producer_writes_is_dropped() -> None:
    found = Runner(PACK)
    (row,) = found.run(event(at_ms=START_MS + MINUTE_MS, shop_anomaly=0.99)).features
    assert row.features["shop_anomaly_24h"] is None


def test_labels_follow_the_events_that_they_are_about() -> None:
    effects = Runner(PACK).run(
        event(event_type="purchase", shop_id="s1", order_id="o1"),
        event(at_ms=START_MS + 1),
        event(at_ms=START_MS + 2, event_type="$label", shop_id="s1", order_id="o1", bad=True),
    )
    assert [forward.entity for forward in effects.forwards] == ["shop", "shop"]
    assert effects.tally.moved == 2
    assert effects.tally.accepted.total() == 1

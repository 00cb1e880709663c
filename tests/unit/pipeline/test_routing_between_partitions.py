"""Which partition an event is sent to, and what travels with it."""

from __future__ import annotations

from typing import Any

import pytest

from support.folding import Runner, make_partition
from support.probe import START_MS, event, probe_pack, record
from ubi_stream.data.records import ProducerRecord, record_of
from ubi_stream.effects import Tally
from ubi_stream.events.stage import read_events
from ubi_stream.events.validate import Validator
from ubi_stream.replay.offline import OfflineRun, partition_of
from ubi_stream.routing import key_by_user
from ubi_stream.settings import Settings


def purchase(user: str = "u1", shop: object = "s1", **fields: Any) -> dict[str, Any]:
    return event(user, event_type="purchase", properties={"shop_id": shop, "price": 5}, **fields)


@pytest.mark.parametrize("key", [None, b"u2", b"U1", b"u1 ", b"\xff"])
def test_an_event_under_another_key_is_sent_to_its_user(key: bytes | None) -> None:
    runner = Runner()
    sample = record(event("u1"), key=key)
    effects = runner.run_records([sample])
    (forward,) = effects.forwards
    assert (forward.entity, forward.key, forward.value) == ("user", b"u1", sample.value)
    assert effects.tally.moved == 1
    assert effects.tally.accepted.total() == 0
    assert runner.state("u1") is None


@pytest.mark.parametrize(("owner_partition", "forwards"), [(0, 0), (1, 1)])
def test_an_event_in_a_partition_that_its_key_does_not_belong_to_is_sent_to_its_user(
    owner_partition: int, forwards: int
) -> None:
    # As a producer does that partitions by another hash, CRC32 for instance.
    records = [record(event("u1"), partition=0)]
    read = read_events(records, Validator(probe_pack().events), forwarded=False)
    local, misrouted = key_by_user(read.events, records, lambda _key: owner_partition)
    assert (len(local), len(misrouted)) == (1 - forwards, forwards)


def test_a_number_as_id_has_its_digits_as_key() -> None:
    runner = Runner()
    assert runner.run_records([record(event() | {"user_id": 17}, key=b"17")]).tally.accepted.total() == 1


@pytest.mark.parametrize("kind", ["$identify", "$alias", "$split"])
def test_whose_profile_is_whose_is_not_sent_to_a_shop_that_the_command_names(kind: str) -> None:
    other = {"anonymous_id" if kind == "$identify" else "previous_id": "u2", "shop_id": "s1"}
    pack = probe_pack(('types = ["purchase", "$label"]\n', ""))
    runner = Runner(pack)
    runner.run(event("u2"), event("u1"))
    command = record(event("u1", event_type=kind, properties=other), 2, key=b"u2")
    effects = runner.run_records([command])
    assert effects.dead_letters == []
    assert "shop" not in {forward.entity for forward in effects.forwards}


def test_an_event_is_sent_to_the_shop_that_it_names() -> None:
    effects = Runner().run(purchase(shop="s1"), purchase(shop=7), purchase(shop=None), event(shop_id="s1"))
    assert [(f.entity, f.key) for f in effects.forwards] == [("shop", b"s1"), ("shop", b"7")]
    headers = dict(effects.forwards[1].headers)
    assert headers == {
        "ubi-source-topic": b"ubi.events",
        "ubi-source-partition": b"0",
        "ubi-source-offset": b"1",
        "ubi-source-time": str(START_MS).encode(),
    }


def test_a_label_is_sent_to_the_shop_too() -> None:
    label = event(event_type="$label", properties={"shop_id": "s1", "order_id": "o", "bad": True})
    assert [forward.entity for forward in Runner().run(label).forwards] == ["shop"]


def test_a_duplicate_is_not_sent_on() -> None:
    effects = Runner().run(purchase(event_id="e"), purchase(event_id="e"))
    assert len(effects.forwards) == 1


def test_a_shop_sends_nothing_on() -> None:
    runner = Runner(entity="shop")
    sample = record(purchase(), topic="ubi.events.by-shop")
    effects = runner.run_records([sample])
    assert effects.tally.accepted.total() == 1
    assert effects.forwards == []


def test_what_took_a_detour_names_who_sent_it_on() -> None:
    owner_partition = Runner()
    (detour,) = Runner(number=1).run_records([record(purchase(), 5, key=b"other", partition=1)]).forwards
    forwarded = record(purchase(), 9, topic="ubi.events.by-user", headers=detour.headers)
    (onward,) = owner_partition.run_records([forwarded]).forwards
    headers = dict(onward.headers)
    assert (headers["ubi-source-partition"], headers["ubi-source-offset"]) == (b"1", b"5")
    assert headers["ubi-sender"] == b"ubi.events.by-user/0/9"


def test_a_shop_gets_every_event_of_a_producer_without_keys() -> None:
    """All take the detour over their users' partitions, and arrive in another order than they entered."""
    count = 200
    records = [
        ProducerRecord(None, record_of(purchase(f"user-{n % 17}", f"shop-{n % 3}", at_ms=START_MS + n), 0).value)
        for n in range(count)
    ]
    run = OfflineRun(probe_pack(), Settings(partitions=4), now_ms=START_MS + 10**6)
    shops = Tally()
    for effects in run.run(records):
        if any(row.entity == "shop" for row in effects.features):
            shops.add(effects.tally)
    assert run.tally.accepted["purchase"] == count
    assert shops.accepted["purchase"] == count
    assert shops.replayed == 0


def test_partitions_are_chosen_as_kafkas_clients_do() -> None:
    # Known values of murmur2 as Kafka's own test has them: key "21" hashes to -973932308.
    assert partition_of(b"21", 0, 1000) == (-973932308 & 0x7FFFFFFF) % 1000
    assert [partition_of(None, offset, 3) for offset in range(4)] == [0, 1, 2, 0]


def test_a_batch_of_a_pack_with_one_entity_forwards_nothing() -> None:
    pack = probe_pack()
    alone = make_partition(pack.model_copy(update={"entities": pack.entities[:1]}))
    effects = alone.pipeline.run([record(purchase())], forwarded=False)
    assert effects.forwards == []


def test_an_offline_run_counts_its_users_and_shows_its_partitions() -> None:
    run = OfflineRun(probe_pack(), Settings(partitions=3), now_ms=START_MS)
    list(run.run([record_of(event(f"u{n % 5}"), 0) for n in range(20)]))
    assert run.users() == 5
    assert sum(run.partition("user", number).store.count for number in range(3)) == 5

"""A pack compiled for one kind of entity."""

from __future__ import annotations

import pytest

from support.folding import Runner
from support.probe import HOUR_MS, MINUTE_MS, START_MS, event, probe_pack
from ubi_stream.errors import ConfigError
from ubi_stream.packs.plan import compile_plan
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.state.panes import count_of, events_of

USER, SHOP = (compile_plan(probe_pack(), name) for name in ("user", "shop"))


def test_roles_become_positions_and_times_milliseconds() -> None:
    assert (USER.interests, USER.intents, USER.conversions, USER.amount_types) == ((0,), (1,), (2,), frozenset({2}))
    assert (USER.session_gap_ms, USER.lateness_ms, USER.dormant_ms) == (10 * MINUTE_MS, 2 * MINUTE_MS, 6 * HOUR_MS)
    assert (SHOP.exact, SHOP.delay_ms, USER.exact, USER.delay_ms) == (True, 3 * HOUR_MS, False, 0)


@pytest.mark.parametrize(
    ("value", "entity_id"),
    [("s1", "s1"), (17, "17"), ("", None), (None, None), (True, None), (1.5, None), (["s1"], None)],
)
def test_an_event_names_an_entity_by_text_or_whole_number(value: object, entity_id: str | None) -> None:
    assert SHOP.entity_id("u1", {"shop_id": value}) == entity_id
    assert USER.entity_id("u1", {"shop_id": value}) == "u1"


def test_an_entity_that_the_pack_lacks_is_a_mistake_of_the_program() -> None:
    with pytest.raises(StopIteration):
        compile_plan(probe_pack(), "terminal")


def test_types_that_the_pack_keeps_are_counted_apart_and_stay_so_when_types_are_added() -> None:
    keeping = probe_pack(('unknown = "dead_letter"', 'unknown = "keep"'))
    runner = Runner(keeping)
    effects = runner.run(event(event_type="ring"), event(event_type="knock"), event())
    assert effects.tally.accepted == {"other": 2, "view": 1}
    chunks, _ = runner.partition.take_checkpoint()

    more = keeping.model_copy(
        update={"events": keeping.events.model_copy(update={"types": (*keeping.events.types, "bell")})}
    )
    setup = PartitionSetup(more, "user", 0, epoch=1, seed=1, snapshot_key=b"key", cache_size=10)
    grown = Partition(setup, dict(runner.states), dict(chunks))
    live = grown.store.get("u1")
    assert live is not None
    assert events_of(live.state.hours.total) == 3
    assert count_of(live.state.hours.total, (grown.pipeline.plan.type_index["bell"],)) == 0


def test_types_that_changed_their_position_are_refused() -> None:
    runner = Runner()
    runner.run(event(at_ms=START_MS))
    chunks, _ = runner.partition.take_checkpoint()
    pack = probe_pack()
    turned = pack.model_copy(update={"events": pack.events.model_copy(update={"types": ("cart", "view", "purchase")})})
    setup = PartitionSetup(turned, "user", 0, epoch=1, seed=1, snapshot_key=b"key", cache_size=10)
    with pytest.raises(ConfigError, match="append new types at the end"):
        Partition(setup, dict(runner.states), dict(chunks))

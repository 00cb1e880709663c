"""Silence timers against a naive list, and the store of states against a dictionary, through restarts."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ubi_stream.kafka.changelog_store import PartitionedContent
from ubi_stream.state.codec import Tombstone, decode_state, newer_state
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.store import StateStore, take_census
from ubi_stream.state.timers import Due, InactivityTimers

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(dict[str, InsightHistory | None]).decode

DELAYS = (3, 10, 40)
NAMES = ("a", "b", "c", "d")

touches = st.tuples(st.just("touch"), st.sampled_from(NAMES), st.integers(0, 150))
moves = st.tuples(st.just("move"), st.just(""), st.integers(1, 30))
restarts = st.tuples(st.just("restart"), st.just(""), st.just(0))


class NaiveTimers:
    """Looks at every entity and every delay each time."""

    def __init__(self) -> None:
        self.last: dict[str, int] = {}

    def touch(self, entity_id: str, last_ms: int) -> None:
        self.last[entity_id] = max(last_ms, self.last.get(entity_id, last_ms))

    def fire(self, since: int, watermark: int) -> list[Due]:
        due = [
            Due(last + delay, entity_id, stage)
            for entity_id, last in self.last.items()
            for stage, delay in enumerate(DELAYS)
            if last + delay <= watermark and (since < last + delay or stage == len(DELAYS) - 1)
        ]
        self.last = {entity_id: last for entity_id, last in self.last.items() if last + DELAYS[-1] > watermark}
        return sorted(due)


@settings(max_examples=300, deadline=None)
@given(st.lists(touches | moves | restarts, max_size=40))
def test_timers_fire_as_a_naive_list_does_also_after_restarts(steps: list[tuple[str, str, int]]) -> None:
    timers, naive, watermark = InactivityTimers(DELAYS), NaiveTimers(), 0
    for kind, name, value in steps:
        if kind == "touch":
            naive.touch(name, value)
            timers.touch(name, naive.last[name], watermark)
        elif kind == "move":
            assert timers.fire(watermark, watermark + value) == naive.fire(watermark, watermark + value)
            watermark += value
        else:
            timers = InactivityTimers(DELAYS)
            timers.restore(dict(naive.last), watermark)
        assert len(timers) == len(naive.last)


STEPS = ("fold", "read", "tell", "forget", "cut", "half a cut", "restart")
store_steps = st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(NAMES)), max_size=60)


class World:
    """A store, what it must look like, and what of it a crash leaves: the changelog, and the record's memos."""

    def __init__(self, cache_size: int) -> None:
        self.cache_size = cache_size
        self.table: dict[bytes, bytes] = {}
        self.changelog: dict[bytes, bytes] = {}
        self.insight_histories: dict[str, InsightHistory | None] = {}
        self.live: dict[str, int] = {}
        self.delivered: dict[str, int] = {}
        self.durable: dict[str, int] = {}
        self.durable_told: dict[str, int] = {}
        self.store = StateStore(self.table, epoch=1, cache_size=cache_size)

    def read(self, name: str) -> None:
        """What the store says is checked after each step."""

    def fold(self, name: str) -> None:
        found = self.store.get(name) or self.store.new(name)
        found.state.events += 1
        found.offset += 1
        self.store.changed(name, found)
        self.live[name] = self.live.get(name, 0) + 1

    def tell(self, name: str) -> None:
        if (found := self.store.get(name)) is not None:
            self.delivered[name] = self.delivered.get(name, 0) + 1
            self.store.touch(name)
            found.state.history.be_quiet("s", self.delivered[name], now_ms=-1)

    def forget(self, name: str) -> None:
        if self.store.get(name) is not None:
            self.store.forget(name)
        self.live.pop(name, None)
        self.delivered.pop(name, None)

    def write_record(self) -> None:
        """The first half of a barrier: from here on a replay tells nothing again."""
        self.insight_histories = decode(encode(self.store.insight_histories()))
        self.durable_told = dict(self.delivered)

    def half_a_cut(self, _name: str) -> None:
        """A crash between the record and the states: what was folded is folded again, what was told is not."""
        missing = {name: count - self.durable.get(name, 0) for name, count in self.live.items()}
        forgotten = self.durable.keys() - self.live.keys()
        self.write_record()
        self.restart("")
        for name in forgotten:
            self.forget(name)
        for name, count in missing.items():
            for _ in range(count):
                self.fold(name)
        self.cut("")

    def cut(self, _name: str) -> None:
        self.write_record()
        for key, blob in self.store.take_changes():
            if isinstance(blob, Tombstone):
                self.changelog.pop(key, None)
            else:
                self.changelog[key] = blob
        self.durable = dict(self.live)
        assert self.store.encoded_bytes == sum(map(len, self.table.values()))
        assert self.store.count == len(self.live)

    def restart(self, _name: str) -> None:
        self.table = dict(self.changelog)
        census = take_census(self.table)
        self.store = StateStore(
            self.table, epoch=1, cache_size=self.cache_size, census=census, insight_histories=self.insight_histories
        )
        self.live, self.delivered = dict(self.durable), dict(self.durable_told)

    def check(self, name: str) -> None:
        found = self.store.get(name)
        assert (None if found is None else found.state.events) == self.live.get(name)
        if found is not None:
            assert found.state.history.quiet_until_ms.get("s", 0) == self.delivered.get(name, 0)


@settings(max_examples=500, deadline=None)
@given(store_steps, st.integers(1, 3))
def test_a_store_never_loses_a_changed_state_nor_a_memo(steps: list[tuple[str, str]], cache_size: int) -> None:
    """A dictionary is what the store must look like; another what a restart finds, as of the last cut."""
    world = World(cache_size)
    for action, name in steps:
        getattr(world, action.replace(" ", "_"))(name)
        world.check(name)
        world.store.trim()
        events = {key.decode(): decode_state(blob)[1].events for key, blob in world.changelog.items()}
        assert events == world.durable
    world.cut("")
    assert {key.decode(): decode_state(blob)[1].events for key, blob in world.table.items()} == world.live
    assert world.table == world.changelog


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(("fold", "forget", "cut")), max_size=40), st.data())
def test_records_that_come_late_change_nothing_of_who_is_here(steps: list[str], data: st.DataObject) -> None:
    """A worker that lost the partition wrote the same: each of its records may come at any time after the owner's."""
    table: dict[bytes, bytes] = {}
    store, at_ms, written = StateStore(table, epoch=1, cache_size=1), 0, list[tuple[bytes, bytes | Tombstone]]()
    for step in (*steps, "cut"):
        if step == "fold":
            at_ms += 1
            live = store.get("a") or store.new("a")
            live.state.applied, live.state.last_ms, live.offset = live.state.applied + 1, at_ms, live.offset + 1
            store.changed("a", live)
        elif step == "forget":
            store.forget("a")
            at_ms += DELAYS[-1]
        else:
            written += store.take_changes()
    content = PartitionedContent(newer_state)
    for count, (key, value) in enumerate(written, 1):
        content.apply(0, key, value)
        for late in data.draw(st.lists(st.integers(0, count - 1), max_size=2)):
            content.apply(0, *written[late])
    if table:
        assert content.content(0) == table

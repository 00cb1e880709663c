"""Silence timers against a naive list, and the store of states against a dictionary, through restarts."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from ubi_stream.state.codec import decode_state
from ubi_stream.state.store import StateStore
from ubi_stream.state.timers import Due, SilenceTimers

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
    timers, naive, watermark = SilenceTimers(DELAYS), NaiveTimers(), 0
    for kind, name, value in steps:
        if kind == "touch":
            naive.touch(name, value)
            timers.touch(name, naive.last[name], watermark)
        elif kind == "move":
            assert timers.fire(watermark, watermark + value) == naive.fire(watermark, watermark + value)
            watermark += value
        else:
            timers = SilenceTimers(DELAYS)
            timers.restore(dict(naive.last), watermark)
        assert len(timers) == len(naive.last)


store_steps = st.lists(
    st.tuples(st.sampled_from(["fold", "read", "forget", "cut", "restart"]), st.sampled_from(NAMES)), max_size=60
)


@settings(max_examples=300, deadline=None)
@given(store_steps, st.integers(1, 3))
def test_a_store_never_loses_a_changed_state(steps: list[tuple[str, str]], cache_size: int) -> None:
    """A dictionary is what the store must look like; another what a restart finds, as of the last cut."""
    table: dict[bytes, bytes] = {}
    changelog: dict[bytes, bytes] = {}
    store = StateStore(table, epoch=1, cache_size=cache_size)
    live: dict[str, int] = {}
    durable: dict[str, int] = {}

    def fold(name: str) -> None:
        found = store.get(name) or store.new(name)
        found.state.events += 1
        found.offset += 1
        store.changed(name, found)
        live[name] = live.get(name, 0) + 1

    def forget(name: str) -> None:
        if store.get(name) is not None:
            store.forget(name)
        live.pop(name, None)

    def cut(_name: str) -> None:
        nonlocal durable
        for key, blob in store.cut():
            if blob is None:
                changelog.pop(key, None)
            else:
                changelog[key] = blob
        durable = dict(live)
        assert store.encoded_bytes == sum(map(len, table.values()))
        assert store.count == len(live)

    def restart(_name: str) -> None:
        nonlocal store, live, table
        table = dict(changelog)
        store = StateStore(table, epoch=1, cache_size=cache_size)
        live = dict(durable)

    actions: dict[str, Callable[[str], None]] = {
        "fold": fold,
        "read": lambda name: None,
        "forget": forget,
        "cut": cut,
        "restart": restart,
    }
    for action, name in steps:
        actions[action](name)
        found = store.get(name)
        assert (None if found is None else found.state.events) == live.get(name)
        assert {key.decode(): decode_state(blob)[1].events for key, blob in changelog.items()} == durable
    cut("")
    assert {key.decode(): decode_state(blob)[1].events for key, blob in table.items()} == live
    assert table == changelog

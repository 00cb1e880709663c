"""Folds events into states, and runs partitions, in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from support.probe import EVENTS_TOPIC, probe_pack, record
from ubi_stream.effects import Effects
from ubi_stream.events.model import Event, Record
from ubi_stream.events.stage import read_events
from ubi_stream.events.validate import Validator
from ubi_stream.packs.plan import Plan, compile_plan
from ubi_stream.packs.schema import Pack
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.state.fold import fold
from ubi_stream.state.model import UserState
from ubi_stream.state.visits import EndedVisit

PLAN = compile_plan(probe_pack(), "user")
EXACT_PLAN = compile_plan(probe_pack(), "shop")
"""Windows of a log; events of it are about the shop, with a delay of three hours."""


def events_of(*contents: dict[str, Any], plan: Plan = PLAN) -> list[Event]:
    """Valid events, at offsets 0, 1, ..."""
    validator = Validator.of(plan.pack)
    read = read_events([record(content, n) for n, content in enumerate(contents)], validator, forwarded=False)
    assert not read.dead_letters, read.dead_letters[0]
    return read.events


def fold_all(*contents: dict[str, Any], plan: Plan = PLAN, state: UserState | None = None) -> UserState:
    """A state after these events."""
    state = UserState() if state is None else state
    for event in events_of(*contents, plan=plan):
        fold(state, event, plan)
    return state


def visits_of(*contents: dict[str, Any], plan: Plan = PLAN) -> tuple[list[EndedVisit], UserState]:
    """The visits that ended, and the state after these events."""
    state = UserState()
    ended = [visit for event in events_of(*contents, plan=plan) if (visit := fold(state, event, plan))]
    return ended, state


def make_partition(
    pack: Pack,
    entity: str = "user",
    *,
    number: int = 0,
    epoch: int = 1,
    states: dict[bytes, bytes] | None = None,
    chunks: dict[bytes, bytes] | None = None,
    cache_size: int = 1000,
) -> Partition:
    """A partition over these tables."""
    setup = PartitionSetup(pack, entity, number, epoch=epoch, seed=1, snapshot_key=b"key", cache_size=cache_size)
    return Partition(setup, {} if states is None else states, {} if chunks is None else chunks)


class Runner:
    """A partition that is given events one after another, at the offsets that follow."""

    def __init__(
        self, pack: Pack | None = None, entity: str = "user", states: dict[bytes, bytes] | None = None, **options: Any
    ) -> None:
        self.states = {} if states is None else states
        self.partition = make_partition(pack or probe_pack(), entity, states=self.states, **options)
        self.offset = 0

    def run(self, *contents: dict[str, Any] | bytes | None, **changes: Any) -> Effects:
        """Process these as one batch of the events topic."""
        records = [record(content, self.offset + n, **changes) for n, content in enumerate(contents)]
        self.offset += len(records)
        return self.run_records(records)

    def run_records(self, records: Sequence[Record]) -> Effects:
        """Process records as they are."""
        return self.partition.pipeline.run(records, forwarded=records[0].topic != EVENTS_TOPIC)

    def state(self, entity_id: str) -> UserState | None:
        """State of an entity right now."""
        live = self.partition.store.get(entity_id)
        return None if live is None else live.state

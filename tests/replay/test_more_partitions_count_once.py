"""Four partitions become six amid a stream: each user's state is that of one run, and nothing is new twice."""

from __future__ import annotations

from collections import Counter
from functools import partial
from random import Random

import msgspec

from support.probe import MINUTE_MS, START_MS, event, probe_pack, record
from ubi_stream.checkpoint import CheckpointPosition, checkpoint_chunks, read_checkpoint
from ubi_stream.effects import Tally
from ubi_stream.events.model import Record
from ubi_stream.kafka.partitioner import partition_of
from ubi_stream.operations.repartition_plan import move_states, new_memories
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.state.codec import decode_state
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.model import UserState

PACK = probe_pack()
BEFORE, AFTER = 4, 6
Content = list[dict[bytes, bytes]]


class Layout:
    """The users' lanes of one layout, over their tables."""

    def __init__(self, epoch: int, states: Content, records: Content) -> None:
        self.states, self.records = states, records
        self.owner_partition = partial(partition_of, partitions=len(states))
        self.log: list[list[Record]] = [[] for _ in states]
        self.tally = Tally()
        self._tasks = [
            Partition(
                PartitionSetup(
                    PACK,
                    "user",
                    number,
                    epoch,
                    seed=1,
                    snapshot_key=b"key",
                    cache_size=4,
                    owner_partition=self.owner_partition,
                ),
                states[number],
                records[number],
            )
            for number in range(len(states))
        ]
        problems = [task.snapshot_problem for task in self._tasks if records[task.setup.partition]]
        assert not any(problems), "models of before can be used"

    def take(self, contents: list[dict[str, object]]) -> None:
        """Put events at the ends of their partitions, and process them."""
        for content in contents:
            number = self.owner_partition(str(content["user_id"]).encode())
            self.log[number].append(record(content, len(self.log[number]), partition=number))
            self.process(number, self.log[number][-1:])

    def process(self, number: int, records: list[Record]) -> None:
        effects = self._tasks[number].pipeline.run(records, forwarded=False)
        self.tally.add(effects.tally)

    def take_checkpoint(self) -> None:
        """A barrier of each lane."""
        for task, records in zip(self._tasks, self.records, strict=True):
            chunks, _ = task.take_checkpoint()
            records.update(chunks)

    def users(self) -> dict[str, UserState]:
        """What each user's own events came to."""
        self.take_checkpoint()
        found = {key.decode(): decode_state(blob)[1] for states in self.states for key, blob in states.items()}
        return {
            user: msgspec.structs.replace(state, history=InsightHistory(), pending_predictions=[])
            for user, state in found.items()
        }


def empty(partitions: int) -> Content:
    return [{} for _ in range(partitions)]


def events() -> list[dict[str, object]]:
    """500 events of 60 users within three hours, so that nobody is forgotten."""
    draw = Random(5)
    made: list[dict[str, object]] = []
    for number in range(500):
        kind = draw.choice(["view", "view", "cart", "purchase"])
        fields = {"price": 5.0, "order_id": f"o{number}"} if kind == "purchase" else {}
        at_ms = START_MS + number * MINUTE_MS // 3
        made.append(event(f"u{draw.randrange(60)}", at_ms, kind, event_id=f"e{number}", **fields))
    return made


def repartitioned(old: Layout) -> Layout:
    """The old layout's content in the new one, its log as the topic has it: old partitions keep what they have."""
    next_offsets = [len(log) for log in old.log] + [0] * (AFTER - BEFORE)
    found = [read_checkpoint(chunks.values(), number) for number, chunks in enumerate(old.records)]
    memories = [None if one is None else one.memory for one in found]
    states, records = empty(AFTER), empty(AFTER)
    for content, memory in zip(old.states, memories, strict=True):
        for number, rows in move_states(content, memory, epoch=2, next_offsets=next_offsets).items():
            states[number].update(rows)
    for number, memory in enumerate(new_memories(memories, [{"ubi.events": end} for end in next_offsets])):
        records[number].update(checkpoint_chunks(memory, "user", number, epoch=2, place=CheckpointPosition(1)))
    new = Layout(2, states, records)
    new.log = [*(list(log) for log in old.log), *([] for _ in range(AFTER - BEFORE))]
    return new


def test_users_go_on_in_their_new_partitions_as_if_nothing_had_been() -> None:
    stream = events()
    whole, old = Layout(1, empty(BEFORE), empty(BEFORE)), Layout(1, empty(BEFORE), empty(BEFORE))
    whole.take(stream)
    old.take(stream[:300])
    old.take_checkpoint()
    new = repartitioned(old)
    before = new.users()
    assert before == old.users()
    assert {len(states) > 0 for states in new.states} == {True}

    new.take(stream[300:])
    assert new.users() == whole.users()
    assert Counter(new.tally.accepted) + Counter(old.tally.accepted) == Counter(whole.tally.accepted)


def test_a_group_that_forgot_its_offsets_changes_nothing() -> None:
    stream = events()
    old = Layout(1, empty(BEFORE), empty(BEFORE))
    old.take(stream[:300])
    old.take_checkpoint()
    new = repartitioned(old)
    new.take(stream[300:])
    expected, tally = new.users(), Counter(new.tally.accepted)
    again = Layout(2, new.states, new.records)
    for number, log in enumerate(new.log):
        again.process(number, log)  # from the beginning of the topic
    assert again.users() == expected
    assert again.tally.accepted.total() == again.tally.moved == 0, "nothing is new, and nobody is sent home"
    assert tally.total() == 200

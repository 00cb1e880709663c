"""What more partitions do to states and records, drawn as tables of partitions."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ubi_stream.checkpoint import PartitionMemory
from ubi_stream.insights.windows import OpenWindows
from ubi_stream.kafka.partitioner import partition_of
from ubi_stream.operations.repartition_plan import move_states, new_memories
from ubi_stream.state.codec import decode_state, encode_state
from ubi_stream.state.history import InsightHistory
from ubi_stream.state.model import UserState
from ubi_stream.state.progress import Progress

OLD_EPOCH, EPOCH = 1, 2
USERS = [f"u{number}" for number in range(60)]


def memory(
    number: int, *, watermark_ms: int = 0, insight_histories: dict[str, InsightHistory | None] | None = None
) -> PartitionMemory:
    progress = Progress({"ubi.events": 99}, watermark_ms, {"ubi.events/0": 10 + number, f"ubi.events/{number}": 50})
    windows = OpenWindows({number: {}}, watermark_ms)
    return PartitionMemory(
        progress, InsightHistory({f"told by {number}": 1}), insight_histories or {}, windows, ("view",), bytes([number])
    )


def state(user: str) -> bytes:
    """A state that says whose it is, and how often it had a forward."""
    return encode_state(UserState(events=int(user[1:]), forwarded={"ubi.events/1": 7}), epoch=OLD_EPOCH, offset=40)


@pytest.mark.parametrize("after", [5, 6, 8])
def test_each_state_goes_to_its_users_partition_with_all_that_it_has(after: int) -> None:
    next_offsets = [100 * number for number in range(after)]
    found = {}
    for before in range(4):
        mine = {user.encode(): state(user) for user in USERS if partition_of(user.encode(), 4) == before}
        for number, rows in move_states(mine, memory(before), epoch=EPOCH, next_offsets=next_offsets).items():
            for key, blob in rows:
                header, content = decode_state(blob)
                assert partition_of(key, after) == number
                assert (header.epoch, header.offset) == (EPOCH, next_offsets[number] - 1)
                assert content.forwarded == {"ubi.events/1": 7}
                found[key.decode()] = content.events
    assert found == {user: int(user[1:]) for user in USERS}


def test_what_was_told_of_an_entity_goes_with_its_state() -> None:
    # u1 was told about since its state was written; what was said of u2 was forgotten; u3's state has all of it
    kept = UserState(history=InsightHistory({"kept": 3}))
    states = {b"u1": state("u1"), b"u2": encode_state(kept, epoch=OLD_EPOCH, offset=1)}
    states[b"u3"] = encode_state(kept, epoch=OLD_EPOCH, offset=1)
    insight_histories: dict[str, InsightHistory | None] = {
        "u1": InsightHistory({"newer": 5}),
        "u2": None,
        "gone": InsightHistory({"x": 1}),
    }
    rows = move_states(
        states, memory(0, insight_histories=insight_histories), epoch=EPOCH, next_offsets=[1, 1]
    ).values()
    quiet = {key: decode_state(blob)[1].history.quiet_until_ms for part in rows for key, blob in part}
    assert quiet == {b"u1": {"newer": 5}, b"u2": {}, b"u3": {"kept": 3}}


def test_states_that_were_moved_before_an_interruption_are_left_alone() -> None:
    moved = move_states({b"u1": state("u1")}, None, epoch=EPOCH, next_offsets=[5, 5, 5])
    ((_, rows),) = moved.items()
    assert move_states(dict(rows), None, epoch=EPOCH, next_offsets=[5, 5, 5]) == {}


def test_records_are_copied_from_the_partition_that_users_come_from() -> None:
    #              0    1    2    3    4    5    6    7
    # models of    0    1    2    3    0    1    2    3
    # windows of   0    1    2    3    -    -    -    -
    before = [memory(number, watermark_ms=1_000 * number) for number in range(4)]
    next_offsets = [{"ubi.events": 10 * number, "ubi.events.by-user": 0} for number in range(8)]
    after = new_memories(before, next_offsets)
    assert [one.models[0] for one in after] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [list(one.population.quiet_until_ms) for one in after] == [[f"told by {number % 4}"] for number in range(8)]
    assert [one.windows for one in after] == [old.windows for old in before] + [OpenWindows()] * 4
    assert {one.progress.watermark_ms for one in after} == {3_000}
    assert [one.progress.learned for one in after] == [{}] + [{"ubi.events": 10 * n - 1} for n in range(1, 8)]
    applied_labels = {"ubi.events/0": 50, "ubi.events/1": 50, "ubi.events/2": 50, "ubi.events/3": 50}
    assert all(one.progress.forwarded == applied_labels for one in after)
    assert all(one.progress.forwarded is not two.progress.forwarded for one, two in pairwise(after))
    assert all(one.insight_histories == {} for one in after), "they are in the states now"


def test_a_partition_that_never_had_a_barrier_gets_what_another_knows() -> None:
    after = new_memories([None, memory(1)], [{}, {}, {}])
    assert [one.models[0] for one in after] == [1, 1, 1]
    assert after[0].windows == OpenWindows()
    assert new_memories([None, None], [{}, {}, {}]) == []

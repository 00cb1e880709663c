"""Tables as they are restored: the newer record wins, and what can't be read is refused."""

from __future__ import annotations

import pytest

from support.changelogs import RECORDS_TOPIC, STATES_TOPIC, forgotten, state
from support.lanes import RECORDS, Broker, make_lane, process, stream
from ubi_stream.checkpoint import newest_checkpoint, read_chunk
from ubi_stream.errors import RecoveryError
from ubi_stream.kafka.table import PartitionedTable
from ubi_stream.state.codec import Tombstone


def test_changelogs_have_the_names_that_the_topics_are_made_with(
    states: PartitionedTable, records: PartitionedTable
) -> None:
    assert (states.changelog, records.changelog) == (STATES_TOPIC, RECORDS_TOPIC)


@pytest.mark.parametrize(
    ("writes", "stays"),
    [
        ([state(5), state(9)], state(9)),
        ([state(9), state(5)], state(9)),  # from a worker that had lost the partition and did not know
        ([state(9), state(9)], state(9)),
        ([state(9, epoch=1), state(2, epoch=2)], state(2, epoch=2)),  # another life of the topic
        ([state(9), Tombstone(), state(5)], state(5)),  # forgotten in between
        ([state(9), forgotten(9), state(5)], state(5)),
        ([state(5), Tombstone()], None),
        ([state(5), forgotten(5)], None),
        ([state(5), forgotten(9)], None),
        ([state(9), forgotten(5)], state(9)),  # from a worker that had lost the partition and did not know
        ([state(9, epoch=2), forgotten(5)], None),  # of two lives of the topic, the later written counts
        ([forgotten(5)], None),
    ],
)
def test_the_newer_state_wins(states: PartitionedTable, writes: list[bytes | Tombstone], stays: bytes | None) -> None:
    for value in writes:
        states.apply(2, b"u", value)
    assert states.content(2) == ({} if stays is None else {b"u": stays})


@pytest.mark.parametrize("garbage", [b"", b"garbage", state(7)[:10]])
@pytest.mark.parametrize("good_first", [True, False])
def test_a_state_that_cannot_be_read_is_refused_wherever_it_comes(
    states: PartitionedTable, garbage: bytes, good_first: bool
) -> None:
    if good_first:
        states.apply(0, b"u", state(7))
    with pytest.raises(RecoveryError):
        states.apply(0, b"u", garbage)
    states.apply(0, b"u", state(8))
    assert states.content(0) == {b"u": state(8)}


@pytest.mark.parametrize("header", [b"garbage", forgotten(9).of[:-1], forgotten(9).of[:-1] + b"?"])
def test_a_tombstone_that_cannot_be_read_is_refused(states: PartitionedTable, header: bytes) -> None:
    states.apply(0, b"u", state(7))
    with pytest.raises(RecoveryError):
        states.apply(0, b"u", Tombstone(header))
    assert states.content(0) == {b"u": state(7)}


def test_a_record_without_key_is_refused(states: PartitionedTable) -> None:
    with pytest.raises(RecoveryError):
        states.apply(0, None, state(7))
    assert states.content(0) == {}


async def test_the_newer_record_of_a_partition_wins(records: PartitionedTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """In several pieces and two slots, with the late writes of a worker that had lost the partition."""
    monkeypatch.setattr("ubi_stream.checkpoint.CHUNK_BYTES", 2000)
    broker = Broker()
    task = make_lane(broker)
    written = []
    for start in range(0, 90, 30):
        await process(task, stream(1, 90)[start : start + 30])
        await task.barrier()
        written.append(dict(broker.changelogs[RECORDS].content(0)))
    for content in (*written, written[0]):
        for key, chunk in content.items():
            records.apply(0, key, chunk)
    kept = newest_checkpoint([read_chunk(blob) for blob in records.content(0).values()])
    wanted = newest_checkpoint([read_chunk(blob) for blob in written[-1].values()])
    assert len(kept) > 1
    assert kept == wanted
    with pytest.raises(RecoveryError):
        records.apply(0, b"user/0/0/0", b"garbage")


def test_what_another_worker_has_now_is_dropped(states: PartitionedTable) -> None:
    states.apply(0, b"u", state(1))
    states.apply(1, b"v", state(1))
    states.drop(0)
    assert states.owned == (1,)
    assert states.content(0) == {}

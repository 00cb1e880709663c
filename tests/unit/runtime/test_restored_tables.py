"""Tables and how they are restored: the newer record wins, what can't be read is left out, and it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, TopicAuthorizationFailedError

import tables.partitions
import tables.states
from support.lanes import RECORDS, Broker, Raw, make_lane, process, stream
from support.waiting import eventually
from ubi_stream.chunked import restore
from ubi_stream.chunked.content import FORGOTTEN
from ubi_stream.chunked.restore import RestoreProgress, Restorer
from ubi_stream.chunked.rocks import RocksFolder
from ubi_stream.chunked.table import PartitionedTable
from ubi_stream.clock import ManualClock, SystemClock
from ubi_stream.errors import RecoveryError
from ubi_stream.partition_record import newest_record, read_piece
from ubi_stream.state.codec import Tombstone, decode_header, encode_header, encode_state
from ubi_stream.state.model import UserState

STATES_TOPIC, RECORDS_TOPIC = "t-user_states-changelog", "t-user_partitions-changelog"


@pytest.fixture
def app() -> faust.App:
    return faust.App("t", broker="kafka://127.0.0.1:1", store="memory://")


@pytest.fixture
def states(app: faust.App) -> PartitionedTable:
    return tables.states.declare(app, "user", 4)


@pytest.fixture
def records(app: faust.App) -> PartitionedTable:
    return tables.partitions.declare(app, "user", 4)


def state(offset: int, *, epoch: int = 1) -> bytes:
    return encode_state(UserState(applied=offset), epoch=epoch, offset=offset)


def forgotten(offset: int) -> Tombstone:
    return Tombstone(encode_header(UserState(applied=offset), epoch=1, offset=offset))


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
    monkeypatch.setattr("ubi_stream.partition_record.PIECE_BYTES", 2000)
    broker = Broker()
    lane = make_lane(broker)
    written = []
    for start in range(0, 90, 30):
        await process(lane, stream(1, 90)[start : start + 30])
        await lane.barrier()
        written.append(dict(broker.changelogs[RECORDS].content(0)))
    for content in (*written, written[0]):
        for key, piece in content.items():
            records.apply(0, key, piece)
    kept = newest_record([read_piece(blob) for blob in records.content(0).values()])
    wanted = newest_record([read_piece(blob) for blob in written[-1].values()])
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


class Log:
    """Stands in for aiokafka's consumer: changelogs as lists, where compaction has left holes."""

    def __init__(self, logs: dict[TopicPartition, list[Raw]], *, trimmed: int = 0, markers: int = 0) -> None:
        self.logs = logs
        self.trimmed = trimmed
        self.markers = markers
        self.positions: dict[TopicPartition, int] = {}
        self.stopped = False
        self.starts = 0
        self.away = False
        self.breaks = False
        self.stuck = False
        self.refusal: KafkaError | None = None
        self.cut_off = False
        self._client = self  # the client beneath

    async def start(self) -> None:
        self.starts += 1
        if self.away:
            raise KafkaConnectionError("gone")
        if self.refusal is not None:
            raise self.refusal

    async def stop(self) -> None:
        if self.cut_off:
            self.cut_off = False
            raise asyncio.CancelledError
        self.stopped = True

    async def close(self) -> None:
        self.stopped = True

    def assign(self, partitions: list[TopicPartition]) -> None: ...

    def pause(self, *partitions: TopicPartition) -> None: ...

    async def beginning_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, self.trimmed)

    async def end_offsets(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: self._end(tp) for tp in partitions}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    async def position(self, tp: TopicPartition) -> int:
        return self.positions[tp]

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int, max_records: int) -> dict[Any, list[Raw]]:
        if self.stuck:
            await asyncio.sleep(60)
        if self.breaks and any(self.positions.values()):
            self.breaks = False
            raise KafkaTimeoutError
        found = {}
        for tp in partitions:
            records = [record for record in self.logs.get(tp, []) if record.offset >= self.positions[tp]][:3]
            found[tp] = records
            last = not records or records[-1] is self.logs[tp][-1]
            self.positions[tp] = self._end(tp) if last else records[-1].offset + 1
        return found

    def _end(self, tp: TopicPartition) -> int:
        log = self.logs.get(tp)
        return (log[-1].offset + 1 if log else self.trimmed) + self.markers


def changelog(*written: tuple[int, bytes | None, bytes | None]) -> list[Raw]:
    return [Raw(STATES_TOPIC, 0, offset, 0, key, value) for offset, key, value in written]


MakeRestorer = Callable[..., Restorer]


@pytest.fixture
def make_restorer(monkeypatch: pytest.MonkeyPatch) -> MakeRestorer:
    def make(log: Log, deadline_s: float = 30.0) -> Restorer:
        monkeypatch.setattr(restore, "AIOKafkaConsumer", lambda **_options: log)
        monkeypatch.setattr(restore, "_RETRY_S", 0.001)
        return Restorer({}, SystemClock(), deadline_s=deadline_s)

    return make


async def test_a_restore_reads_to_the_end_as_it_was_and_tells_how_far_it_is(
    states: PartitionedTable, make_restorer: MakeRestorer
) -> None:
    written = [(offset, f"u{offset % 5}".encode(), state(offset)) for offset in range(3, 30, 2)]
    log = Log({TopicPartition(STATES_TOPIC, 0): changelog(*written)}, trimmed=3, markers=1)
    restorer = make_restorer(log)
    await restorer.restore({STATES_TOPIC: states}, {0, 1})
    assert {key: decode_header(blob).offset for key, blob in states.content(0).items()} == {
        b"u3": 23,
        b"u0": 25,
        b"u2": 27,
        b"u4": 29,
        b"u1": 21,
    }
    progress = restorer.progress
    assert (progress.records, progress.quarantined, progress.running) == (len(written), 0, False)
    assert progress.done == progress.total == 29 + 1 + 1 - 3 + 1
    assert log.stopped


async def test_what_cannot_be_read_is_counted_and_left_out(
    states: PartitionedTable, make_restorer: MakeRestorer
) -> None:
    log = Log(
        {
            TopicPartition(STATES_TOPIC, 0): changelog(
                (0, b"u", state(1)), (1, b"u", b"garbage"), (2, None, state(1)), (3, b"v", state(2))
            )
        }
    )
    restorer = make_restorer(log)
    await restorer.restore({STATES_TOPIC: states}, {0})
    assert states.content(0) == {b"u": state(1), b"v": state(2)}
    assert restorer.progress.quarantined == 2


async def test_what_was_there_before_is_not_mixed_with_what_is_restored(
    states: PartitionedTable, make_restorer: MakeRestorer
) -> None:
    states.apply(0, b"old", state(99))
    log = Log({TopicPartition(STATES_TOPIC, 0): changelog((0, b"u", state(1)))})
    await make_restorer(log).restore({STATES_TOPIC: states}, {0})
    assert states.content(0) == {b"u": state(1)}


async def test_what_a_tombstone_is_of_stands_in_its_header(
    states: PartitionedTable, make_restorer: MakeRestorer
) -> None:
    written = [(offset, key, state(9)) for offset, key in enumerate((b"u", b"v", b"w"))]
    log = changelog(*written)
    late, due = ((("other", b"?"), (FORGOTTEN, forgotten(offset).of)) for offset in (5, 9))
    log += [Raw(STATES_TOPIC, 0, 3, 0, b"u", None, late), Raw(STATES_TOPIC, 0, 4, 0, b"v", None, due)]
    log.append(Raw(STATES_TOPIC, 0, 5, 0, b"w", None))
    await make_restorer(Log({TopicPartition(STATES_TOPIC, 0): log})).restore({STATES_TOPIC: states}, {0})
    assert states.content(0) == {b"u": state(9)}


async def test_a_restore_past_its_deadline_fails(states: PartitionedTable, make_restorer: MakeRestorer) -> None:
    log = Log({TopicPartition(STATES_TOPIC, 0): changelog((0, b"u", state(1)))})
    log.stuck = True
    restorer = make_restorer(log, deadline_s=0.1)
    with pytest.raises(RecoveryError, match=r"\(0% done\).*UBI_RECOVERY_DEADLINE_S"):
        await restorer.restore({STATES_TOPIC: states}, {0})
    assert not restorer.progress.running
    log.away = True
    with pytest.raises(RecoveryError, match="last interrupted by KafkaConnectionError"):
        await restorer.restore({STATES_TOPIC: states}, {0})


async def test_a_restore_waits_while_the_broker_is_away(states: PartitionedTable, make_restorer: MakeRestorer) -> None:
    log = Log({TopicPartition(STATES_TOPIC, 0): changelog((0, b"u", state(1)))})
    log.away = True
    restorer = make_restorer(log)
    restoring = asyncio.create_task(restorer.restore({STATES_TOPIC: states}, {0}))
    await eventually(lambda: log.starts > 2, message="it tries again")
    assert restorer.progress.running
    log.away = False
    await restoring
    assert states.content(0) == {b"u": state(1)}


async def test_an_interrupted_restore_begins_again(states: PartitionedTable, make_restorer: MakeRestorer) -> None:
    written = [(offset, f"u{offset}".encode(), state(offset)) for offset in range(8)]
    log = Log({TopicPartition(STATES_TOPIC, 0): changelog(*written)})
    log.breaks = True
    restorer = make_restorer(log)
    await restorer.restore({STATES_TOPIC: states}, {0})
    assert log.starts == 2
    assert states.content(0) == {key: value for _, key, value in written}
    assert (restorer.progress.records, restorer.progress.done, restorer.progress.total) == (8, 8, 8)


async def test_a_client_that_ends_with_its_own_fetch_does_not_end_the_restore(
    states: PartitionedTable, make_restorer: MakeRestorer
) -> None:
    log = Log({TopicPartition(STATES_TOPIC, 0): changelog(*((at, b"u", state(at)) for at in range(8)))})
    log.breaks = log.cut_off = True
    restorer = make_restorer(log)
    await restorer.restore({STATES_TOPIC: states}, {0})
    assert (log.starts, log.stopped, restorer.progress.interrupted) == (2, True, "KafkaTimeoutError")
    log.cut_off = log.stuck = True
    restoring = asyncio.create_task(restorer.restore({STATES_TOPIC: states}, {0}))
    await eventually(lambda: log.starts == 3, message="it reads")
    restoring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await restoring


async def test_a_restore_that_the_broker_refuses_fails_at_once(
    states: PartitionedTable, make_restorer: MakeRestorer
) -> None:
    log = Log({})
    log.refusal = TopicAuthorizationFailedError(STATES_TOPIC)
    with pytest.raises(RecoveryError, match="TopicAuthorizationFailedError"):
        await make_restorer(log).restore({STATES_TOPIC: states}, {0})
    assert log.starts == 1


async def test_what_is_on_disk_is_not_read_again(app: faust.App, make_restorer: MakeRestorer, tmp_path: Path) -> None:
    folder = RocksFolder(tmp_path, ManualClock())
    written = [(offset, f"u{offset % 5}".encode(), state(offset)) for offset in range(30)]
    tp = TopicPartition(STATES_TOPIC, 0)
    expected = tables.states.declare(app, "user", 4)
    for end in (20, 30):  # a start, and another after more was written
        states = tables.states.declare(app, "user", 4, folder.store("user_states", "one"))
        restorer = make_restorer(Log({tp: changelog(*written[:end], (end, b"u1", None))}))
        await restorer.restore({STATES_TOPIC: states}, {0})
        assert restorer.progress.records == (21 if end == 20 else 10)
        restorer = make_restorer(Log({tp: changelog(*written[:end], (end, b"u1", None))}))
        await restorer.restore({STATES_TOPIC: expected}, {0})
        assert states.content(0) == expected.content(0)
        states.drop(0)
    folder.close()


def test_nothing_to_restore_is_all_of_it() -> None:
    assert RestoreProgress().share == 1.0
    assert RestoreProgress(done=1, total=4).share == 0.25

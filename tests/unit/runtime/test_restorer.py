"""A restore: what it reads, what it leaves out, how it waits for a broker, and that it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import faust
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import TopicAuthorizationFailedError

from support.changelogs import STATES_TOPIC, Log, changelog, forgotten, state
from support.lanes import Raw
from support.waiting import eventually
from ubi_stream.clock import ManualClock, SystemClock
from ubi_stream.errors import RecoveryError
from ubi_stream.kafka import restore
from ubi_stream.kafka.changelog_store import FORGOTTEN
from ubi_stream.kafka.restore import RestoreProgress, Restorer
from ubi_stream.kafka.rocks import RocksFolder
from ubi_stream.kafka.table import PartitionedTable
from ubi_stream.state.codec import decode_header
from ubi_stream.tables import states as state_tables

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
    expected = state_tables.declare(app, "user", 4)
    for end in (20, 30):  # a start, and another after more was written
        states = state_tables.declare(app, "user", 4, folder.store("user_states", "one"))
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

"""The partition's record: in pieces, in two slots, whole or not at all."""

from __future__ import annotations

import msgspec
import pytest

from support.folding import Runner, make_partition
from support.lanes import KEPT_MS
from support.probe import MINUTE_MS, START_MS, event, probe_pack
from ubi_stream.checkpoint import newer_chunk, newest_checkpoint, read_chunk
from ubi_stream.errors import RecoveryError
from ubi_stream.kafka.changelog_store import PartitionedContent
from ubi_stream.models.common import snapshot
from ubi_stream.models.common.digest import digest
from ubi_stream.packs.loader import load_pack, shipped_packs
from ubi_stream.packs.schema import Pack
from ubi_stream.partition import Partition, PartitionSetup
from ubi_stream.reasons import SnapshotReason
from ubi_stream.state.codec import Tombstone, decode_state, newer_state


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ubi_stream.checkpoint.CHUNK_BYTES", 800)


def grown(events: int = 60) -> Runner:
    runner = Runner()
    runner.run(*(event(f"u{n % 4}", START_MS + n * MINUTE_MS, latency_ms=n * 90 % 4000) for n in range(events)))
    return runner


def restored(chunks: dict[bytes, bytes], epoch: int = 1) -> Partition:
    return make_partition(probe_pack(), chunks=chunks, epoch=epoch)


def test_a_record_of_several_pieces_comes_back_as_it_was() -> None:
    runner = grown()
    chunks = dict(runner.partition.take_checkpoint()[0])
    assert len(chunks) > 2
    back = restored(chunks)
    assert back.snapshot_problem is None
    assert digest(back.models) == digest(runner.partition.models)
    assert back.progress == runner.partition.progress
    assert back._memory.population == runner.partition._memory.population
    assert back._memory.windows == runner.partition._memory.windows


SHIPPED = [(pack, entity.name) for name in shipped_packs() for pack in (load_pack(name),) for entity in pack.entities]


@pytest.mark.parametrize(("pack", "entity"), SHIPPED, ids=lambda part: getattr(part, "name", part))
def test_models_of_each_shipped_pack_come_back_as_they_were(pack: Pack, entity: str) -> None:
    partition = make_partition(pack, entity)
    back = make_partition(pack, entity, chunks=dict(partition.take_checkpoint()[0]))
    assert back.snapshot_problem is None
    assert digest(back.models) == digest(partition.models)


def test_two_slots_take_turns() -> None:
    runner = grown()
    first, second, third = (dict(runner.partition.take_checkpoint()[0]) for _ in range(3))
    assert first.keys().isdisjoint(second)
    assert set(first) & set(third)


def test_a_record_that_is_not_whole_leaves_the_one_before() -> None:
    runner = grown(40)
    table = dict(runner.partition.take_checkpoint()[0])
    before = dict(runner.partition.progress.learned)
    runner.run(event(at_ms=START_MS + 90 * MINUTE_MS))
    newer, _ = runner.partition.take_checkpoint()
    for count in range(len(newer)):
        assert restored(table | dict(newer[:count])).progress.learned == before
    assert restored(table | dict(newer)).progress.learned == runner.partition.progress.learned


def test_pieces_of_a_record_that_a_crash_cut_off_do_not_win_over_later_ones() -> None:
    # learned:  10 ─ whole record ─ 40 ─ record cut off by a crash ┐
    #           10 ◄───────────────── restored ◄───────────────────┘ ─ 20 ─ whole record ─ crash
    changelog = PartitionedContent(newer_chunk)
    runner = grown(10)
    for key, chunk in runner.partition.take_checkpoint()[0]:
        changelog.apply(0, key, chunk)
    runner.run(*(event("u1", START_MS + (60 + n) * MINUTE_MS) for n in range(30)))
    changelog.apply(0, *runner.partition.take_checkpoint()[0][0])

    after = Runner(chunks=dict(changelog.content(0)))
    assert after.partition.progress.learned == {"ubi.events": 9}
    after.offset = 10
    after.run(*(event("u1", START_MS + (60 + n) * MINUTE_MS) for n in range(10)))
    for key, chunk in after.partition.take_checkpoint()[0]:
        changelog.apply(0, key, chunk)

    assert restored(dict(changelog.content(0))).progress.learned == {"ubi.events": 19}


def test_who_is_forgotten_and_comes_back_between_two_cuts_is_not_restored_as_before() -> None:
    changelog = PartitionedContent(newer_state)
    runner = Runner()
    back_ms = START_MS + KEPT_MS + 60 * MINUTE_MS
    runner.run(*(event("u1", START_MS + n * MINUTE_MS) for n in range(5)))
    first = runner.partition.take_checkpoint()[1]
    runner.run(event("u2", back_ms))
    assert runner.state("u1") is None, "u1 is forgotten"
    runner.run(event("u1", back_ms))
    for key, value in (*first, *runner.partition.take_checkpoint()[1]):
        changelog.apply(0, key, value)

    _, state = decode_state(changelog.content(0)[b"u1"])
    assert (state.events, state.first_ms) == (1, back_ms)


@pytest.mark.parametrize("barrier_between", [False, True], ids=["within a barrier", "a barrier later"])
def test_a_late_tombstone_does_not_remove_who_has_come_back_meanwhile(barrier_between: bool) -> None:
    # u1: 5 events ─ a day ─ forgotten by a worker that loses the partition: its tombstone is on the way
    #                        forgotten by the next owner ─ comes back ─ written ◄ the tombstone arrives
    states, chunks = PartitionedContent(newer_state), PartitionedContent(newer_chunk)
    back_ms = START_MS + KEPT_MS + 60 * MINUTE_MS
    old = Runner()
    old.run(*(event("u1", START_MS + n * MINUTE_MS) for n in range(5)))
    write(old, states, chunks)
    new = Runner(states=dict(states.content(0)), chunks=dict(chunks.content(0)))
    new.offset = old.offset
    for runner in (old, new):
        runner.run(event("u2", back_ms))
        assert runner.state("u1") is None, "u1 is forgotten"
    on_the_way = old.partition.take_checkpoint()[1]
    if barrier_between:
        write(new, states, chunks)
    new.run(event("u1", back_ms))
    write(new, states, chunks)
    for key, value in on_the_way:
        states.apply(0, key, value)
    assert isinstance(dict(on_the_way)[b"u1"], Tombstone)
    assert decode_state(states.content(0)[b"u1"])[1].events == 1


def write(runner: Runner, states: PartitionedContent, chunks: PartitionedContent) -> None:
    """A barrier."""
    written, changed = runner.partition.take_checkpoint()
    for key, chunk in written:
        chunks.apply(0, key, chunk)
    for key, state in changed:
        states.apply(0, key, state)


def test_pieces_of_a_longer_record_that_are_left_over_do_no_harm() -> None:
    runner = grown()
    longer = dict(runner.partition.take_checkpoint()[0])
    left_over = {key: blob for key, blob in longer.items() if read_chunk(blob).index > 0}
    assert restored(left_over).progress.learned == {}


def test_a_record_of_another_epoch_keeps_models_and_time_but_not_offsets() -> None:
    runner = grown()
    back = restored(dict(runner.partition.take_checkpoint()[0]), epoch=2)
    assert back.progress.learned == {}
    assert back.progress.watermark_ms == runner.partition.progress.watermark_ms
    assert back.models.n_seen == 60


def test_a_record_of_this_epoch_wins_over_one_of_another_with_more_done() -> None:
    local, theirs = grown(20), grown(60)
    chunks = dict(theirs.partition.take_checkpoint()[0])
    slot_of_ours = {
        key.replace(b"/1/", b"/0/"): blob for key, blob in dict(local.partition.take_checkpoint()[0]).items()
    }
    other_epoch = make_partition(probe_pack(), chunks=chunks, epoch=2)
    other_epoch.progress.learned["ubi.events"] = 999
    mixed = slot_of_ours | {key.replace(b"/0/", b"/1/"): blob for key, blob in other_epoch.take_checkpoint()[0]}
    assert restored(mixed).progress.learned == {"ubi.events": 19}


@pytest.mark.parametrize("blob", [b"", b"nonsense", b"\x97\x01\x01\x01\x01\x00"])
def test_what_is_no_piece_is_told(blob: bytes) -> None:
    with pytest.raises(RecoveryError, match="can't be read"):
        read_chunk(blob)


def test_a_piece_of_a_later_release_is_told() -> None:
    ((_, blob), *_) = grown().partition.take_checkpoint()[0]
    later = blob[:1] + b"\x02" + blob[2:]
    with pytest.raises(RecoveryError, match="version 2, 1 was expected"):
        read_chunk(later)


def test_a_record_whose_content_is_broken_is_told() -> None:
    runner = Runner()
    runner.run(event())
    chunks = dict(runner.partition.take_checkpoint()[0])
    last = max(chunks)
    chunk = read_chunk(chunks[last])
    chunks[last] = msgspec.msgpack.encode(msgspec.structs.replace(chunk, data=chunk.data[:-9]))
    with pytest.raises(RecoveryError, match="record of partition 0"):
        restored(chunks)


def test_no_pieces_are_no_record() -> None:
    assert newest_checkpoint([]) == []


def test_of_two_pieces_the_one_with_more_done_is_newer() -> None:
    runner = grown(20)
    (older, *_) = (blob for _, blob in runner.partition.take_checkpoint()[0])
    runner.run(event(at_ms=START_MS + 90 * MINUTE_MS))
    (newer, *_) = (blob for _, blob in runner.partition.take_checkpoint()[0])
    assert newer_chunk(older, newer)
    assert not newer_chunk(newer, older)
    other_life = dict(make_partition(probe_pack(), epoch=9).take_checkpoint()[0])
    assert newer_chunk(newer, next(iter(other_life.values())))


def test_models_signed_with_another_key_start_fresh_and_say_why() -> None:
    runner = grown()
    chunks = dict(runner.partition.take_checkpoint()[0])
    setup = PartitionSetup(probe_pack(), "user", 0, epoch=1, seed=1, snapshot_key=b"another", cache_size=10)
    back = Partition(setup, {}, chunks)
    assert back.snapshot_problem is not None
    assert back.snapshot_problem.reason is SnapshotReason.WRONG_KEY_OR_TAMPERED
    assert back.models.n_seen == 0
    assert back.progress == runner.partition.progress


def test_models_of_other_features_start_fresh() -> None:
    chunks = dict(grown().partition.take_checkpoint()[0])
    pack = probe_pack(('"bounce_rate", "amount_z", "burstiness",', '"bounce_rate",'))
    back = make_partition(pack, chunks=chunks)
    assert back.snapshot_problem is not None
    assert back.snapshot_problem.reason is SnapshotReason.FEATURE_HASH


def test_models_too_large_to_write_leave_those_before_in_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = grown(20)
    runner.partition.take_checkpoint()
    runner.run(*(event(at_ms=START_MS + (90 + n) * MINUTE_MS) for n in range(5)))
    monkeypatch.setattr(snapshot, "MAX_BYTES", 100)
    chunks = dict(runner.partition.take_checkpoint()[0])
    assert runner.partition.snapshot_problem is not None
    assert runner.partition.snapshot_problem.reason is SnapshotReason.TOO_LARGE
    monkeypatch.undo()
    back = restored(chunks)
    assert (back.models.n_seen, back.progress.learned["ubi.events"]) == (20, 24)

"""States on disk: a dictionary that is never ahead of its changelog, and is not gone on with where it may be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest

from ubi_stream.clock import ManualClock
from ubi_stream.errors import ConfigError, StateStoreError
from ubi_stream.kafka.rocks import RocksFolder
from ubi_stream.kafka.rocks_changelog_store import MAX_AGE_MS, RocksChangelogStore

TABLE, LIFE = "user_states", "cluster/topic/1"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def folder(tmp_path: Path, clock: ManualClock) -> Iterator[RocksFolder]:
    made = RocksFolder(tmp_path / "states", clock)
    yield made
    made.close()


def filled(folder: RocksFolder, *, end: int = 10) -> None:
    """Partition 3 with a copy of a changelog up to an offset."""
    content = folder.store(TABLE, LIFE).open(3)
    content.resume(0, end)
    content[b"u"] = b"one"
    content.commit(range(end))
    content.close()


def start_of(content: RocksChangelogStore, start: int = 0, end: int = 10) -> int:
    """Where a restore would begin; the content is closed."""
    try:
        return content.resume(start, end)
    finally:
        content.close()


def test_what_is_committed_is_there_after_a_restart_and_only_the_rest_is_read(folder: RocksFolder) -> None:
    filled(folder)
    content = folder.store(TABLE, LIFE).open(3)
    assert content.resume(4, 25) == 10
    assert content == {b"u": b"one"}
    content.close()


def test_what_the_changelog_does_not_have_yet_is_seen_but_not_on_disk(folder: RocksFolder) -> None:
    filled(folder)
    content = folder.store(TABLE, LIFE).open(3)
    content.resume(0, 10)
    content[b"u"] = b"two"
    content[b"v"] = b"new"
    assert content == {b"u": b"two", b"v": b"new"}
    content.close()  # as a crash would
    after = folder.store(TABLE, LIFE).open(3)
    assert after.resume(0, 12) == 10
    assert after == {b"u": b"one"}
    after.close()


def test_a_commit_after_the_partition_was_given_up_does_nothing(folder: RocksFolder) -> None:
    filled(folder)
    content = folder.store(TABLE, LIFE).open(3)
    content.resume(0, 10)
    content[b"v"] = b"new"
    content.close()
    content.commit(range(10, 11))
    assert start_of(folder.store(TABLE, LIFE).open(3), end=11) == 10


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 9), (11, 20), (0, 0)],
    ids=["the log ends before", "it begins after", "it is empty"],
)
def test_a_copy_that_is_not_of_this_log_is_deleted(folder: RocksFolder, start: int, end: int) -> None:
    filled(folder)
    content = folder.store(TABLE, LIFE).open(3)
    assert content.resume(start, end) == start
    assert content == {}
    content.close()


def test_a_topic_made_anew_or_another_codec_has_no_copy(folder: RocksFolder) -> None:
    filled(folder)
    assert start_of(folder.store(TABLE, "cluster/another topic/1").open(3)) == 0


@pytest.mark.parametrize(("later_ms", "start"), [(MAX_AGE_MS, 10), (MAX_AGE_MS + 1, 0), (-1, 0)])
def test_an_old_copy_is_deleted_before_tombstones_can_be_missing(
    folder: RocksFolder, clock: ManualClock, later_ms: int, start: int
) -> None:
    filled(folder)
    clock.advance_ms(later_ms)
    assert start_of(folder.store(TABLE, LIFE).open(3)) == start


@pytest.mark.parametrize("offsets", [range(11, 12), range(9, 10), None], ids=["a hole", "an overlap", "not known"])
def test_after_somebody_else_has_written_the_next_start_reads_all(folder: RocksFolder, offsets: range | None) -> None:
    filled(folder)
    content = folder.store(TABLE, LIFE).open(3)
    content.resume(0, 10)
    content[b"u"] = b"two"
    content.commit(offsets)
    assert content == {b"u": b"two"}
    content[b"u"] = b"three"
    content.commit(range(12, 13))
    content.close()
    assert start_of(folder.store(TABLE, LIFE).open(3), end=13) == 0


@pytest.mark.parametrize("about", [b"garbage", msgspec.msgpack.encode([99, LIFE, 10, 0]), None])
def test_what_a_folder_says_about_itself_is_not_believed_blindly(folder: RocksFolder, about: bytes | None) -> None:
    filled(folder)
    content = folder.store(TABLE, LIFE).open(3)
    assert content._db is not None
    if about is None:
        content._db.delete(b"\xffabout")
    else:
        content._db.put(b"\xffabout", about)
    content.close()
    assert start_of(folder.store(TABLE, LIFE).open(3)) == 0


def test_a_database_that_cannot_be_opened_is_deleted(folder: RocksFolder) -> None:
    filled(folder)
    (folder.root / TABLE / "3" / "CURRENT").write_bytes(b"garbage")
    content = folder.store(TABLE, LIFE).open(3)
    assert content.resume(0, 10) == 0
    assert content == {}
    content.close()


def test_damage_that_is_found_while_reading_ends_the_worker_and_is_gone_at_the_next_start(folder: RocksFolder) -> None:
    content = folder.store(TABLE, LIFE).open(3)
    content.resume(0, 2_000)
    for number in range(2_000):
        content[b"%04d" % number] = b"%04d" % number * 50
    content.commit(range(2_000))
    assert content._db is not None
    content._db.flush()
    content.close()
    for table in (folder.root / TABLE / "3").glob("*.sst"):
        whole = bytearray(table.read_bytes())
        whole[: len(whole) // 2] = bytes(len(whole) // 2)
        table.write_bytes(whole)
    content = folder.store(TABLE, LIFE).open(3)
    assert content.resume(0, 2_000) == 2_000
    with pytest.raises(StateStoreError, match="the next start restores them"):
        content.get(b"0007")
    with pytest.raises(StateStoreError, match="closed"):
        dict(content.items())
    assert start_of(folder.store(TABLE, LIFE).open(3), end=2_000) == 0


def test_two_workers_cannot_have_one_folder(folder: RocksFolder, clock: ManualClock) -> None:
    with pytest.raises(ConfigError, match="each worker needs a folder of its own"):
        RocksFolder(folder.root, clock)
    RocksFolder(folder.root.with_name("another"), clock).close()


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"UBI_STATE_DIR: states can't be kept in .*/file/states: Not a directory"):
        RocksFolder(tmp_path / "file" / "states", clock)


def test_a_disk_that_does_not_take_a_partition_ends_the_worker(folder: RocksFolder) -> None:
    folder.root.joinpath(TABLE).write_bytes(b"in the way")
    with pytest.raises(StateStoreError, match="can't be kept"):
        folder.store(TABLE, LIFE).open(3)


def test_what_is_left_of_partitions_that_others_have_now_is_deleted(folder: RocksFolder) -> None:
    filled(folder)
    store = folder.store(TABLE, LIFE)
    store.open(5).close()
    (folder.root / TABLE / "4.removed").mkdir()  # a process ended while it deleted this
    store.keep_only({3})
    assert [path.name for path in (folder.root / TABLE).iterdir()] == ["3"]
    assert start_of(store.open(3)) == 10


@pytest.mark.parametrize("seed", range(3))
def test_it_is_a_dictionary_and_a_crash_leaves_the_last_commit(folder: RocksFolder, seed: int) -> None:
    chance = Random(seed)
    store = folder.store(TABLE, LIFE)
    content, end = store.open(0), 0
    content.resume(0, 0)
    model: dict[bytes, bytes] = {}
    durable: dict[bytes, bytes] = {}
    for turn in range(300):
        key = b"\xff%d" % chance.randrange(9)
        if turn % 75 == 74:
            content.close()
            content, model = store.open(0), dict(durable)
            assert content.resume(0, end) == end
        elif chance.random() < 0.2:
            for _ in content.save(2):
                assert dict(content.items()) == model
            content.commit(range(end, end + 2))
            durable, end = dict(model), end + 2
        elif chance.random() < 0.4:
            assert content.pop(key, None) == model.pop(key, None)
        else:
            content[key] = model[key] = chance.randbytes(chance.randrange(9))
        assert content.get(key) == model.get(key)
        assert dict(content.items()) == {each: content[each] for each in content} == model
        assert len(content) == len(model)
    content.close()

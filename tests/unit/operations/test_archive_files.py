"""The file of a backup: what was written comes back, and nothing of a file that is not whole does."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ubi_stream.errors import ConfigError
from ubi_stream.operations.archive import (
    ArchiveRows,
    End,
    Frame,
    Manifest,
    PartitionStart,
    archive_writer,
    read_archive,
)
from ubi_stream.operations.restore import survey
from ubi_stream.operations.sealing import reseal_file
from ubi_stream.privacy.keyring import NO_KEYS, KeyRing

MANIFEST = Manifest("1", "2026-11-21T10:00:00.000Z", "ubi", "ubi", "ecommerce", 1, ("view",), 4, {"user": 7})
LANE = PartitionStart("user", 3, {"ubi.events": 12}, {"ubi.events": 14})
FRAMES: Sequence[Manifest | PartitionStart | ArchiveRows] = (
    MANIFEST,
    LANE,
    ArchiveRows(records=False, rows=[(b"u1", b"\x00" * 300), (b"u2", bytes(range(256)))]),
    ArchiveRows(records=True, rows=[(b"user/3/0/0", b"piece")]),
)


def write(path: Path, frames: Sequence[Manifest | PartitionStart | ArchiveRows] = FRAMES) -> Path:
    with archive_writer(path) as archive:
        for frame in frames:
            archive.write(frame)
        archive.finish()
    return path


def test_what_was_written_comes_back_and_then_the_end(tmp_path: Path) -> None:
    *frames, end = read_archive(write(tmp_path / "b"))
    assert frames == list(FRAMES)
    assert isinstance(end, End)
    assert (end.tasks, end.rows, len(end.digest)) == (1, 3, sha256().digest_size)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_sealed_backup_opens_with_a_key_of_the_ring_alone(tmp_path: Path) -> None:
    old, new = KeyRing.generate("2026"), KeyRing.generate("2027")
    path = tmp_path / "b"
    with archive_writer(path, KeyRing.parse(old)) as archive:
        for frame in (*FRAMES, *[ArchiveRows(records=False, rows=[(os.urandom(9), os.urandom(50_000))])] * 9):
            archive.write(frame)
        archive.finish()
    assert b"ecommerce" not in path.read_bytes()
    ring = KeyRing.parse(f"{new},{old}")
    for _ in range(2):
        assert list(read_archive(path, ring))[:4] == list(FRAMES)
        assert survey(path, ring).end.rows == 12
        reseal_file(path, ring)
    assert survey(path, KeyRing.parse(new)).manifest == MANIFEST
    for other in (KeyRing.parse(old), KeyRing.parse(KeyRing.generate("2027")), NO_KEYS):
        with pytest.raises(ConfigError, match=str(path)):
            survey(path, other)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ConfigError, match=str(path)):
        survey(path, ring)


def test_a_survey_has_all_but_the_rows(tmp_path: Path) -> None:
    found = survey(write(tmp_path / "b"))
    assert (found.manifest, found.tasks, found.end.rows) == (MANIFEST, (LANE,), 3)


def test_a_file_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="what it is a backup of"):
        survey(write(tmp_path / "b", FRAMES[1:]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_damage_is_noticed(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "b"
    whole = path.read_bytes() if path.exists() else write(path).read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    cut_off = data.draw(st.booleans())
    damaged = (
        whole[:at] if cut_off else whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    )
    other = tmp_path / "damaged"
    other.write_bytes(damaged)
    try:
        found: list[Frame] = list(read_archive(other))
    except ConfigError:
        return
    assert found == list(read_archive(path)), "a damage that changes nothing: in what no reader looks at"


def test_a_frame_that_is_left_out_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "b"
    with archive_writer(path) as archive:
        archive.write(MANIFEST)
        archive._digest = sha256(b"of other frames")
        archive.finish()
    with pytest.raises(ConfigError, match="its end belongs to other content"):
        list(read_archive(path))


@pytest.mark.parametrize("error", [RuntimeError("a fault"), ConnectionResetError("the network"), TimeoutError()])
def test_a_backup_that_fails_leaves_nothing_and_tells_what_failed(tmp_path: Path, error: Exception) -> None:
    def fail() -> None:
        with archive_writer(tmp_path / "b") as archive:
            archive.write(MANIFEST)
            raise error

    with pytest.raises(type(error)) as raised:
        fail()
    assert raised.value is error
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    def fill() -> None:
        with archive_writer(tmp_path / "b") as archive:
            for _ in range(200):
                archive.write(ArchiveRows(records=False, rows=[(b"u", os.urandom(4096))]))

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead of ending the process
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(ConfigError, match="can't be written: File too large"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_no_file_is_overwritten_and_a_place_that_is_none_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "b")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="exists"):
        write(path)
    assert path.read_bytes() == before
    with pytest.raises(ConfigError, match="can't be written: No such file"):
        write(tmp_path / "no such folder" / "b")


@pytest.mark.parametrize(("content", "message"), [(b"", "is no backup"), (b"UBIBACKUP\x09", "has format 09")])
def test_other_files_are_told_apart(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "b"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        list(read_archive(path))

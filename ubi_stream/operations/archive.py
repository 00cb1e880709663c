"""The file of a backup: frames, each with a checksum, in one compressed stream, in place as a whole or not at all.

Layout: magic (9 bytes), version (1), then a Zstandard stream of frames: length (4 bytes, big-endian), CRC-32 of the
content (4), content (MessagePack). The `Manifest` comes first, then a `PartitionStart` and its `ArchiveRows` for each
partition, then the `End` with a SHA-256 of all contents before it. A truncated or spliced file has no `End` that fits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final, cast
from zlib import crc32

import msgspec

from ubi_stream.errors import ConfigError
from ubi_stream.privacy.keyring import MAGIC, NO_KEYS, KeyRing, OpeningReader, SealError, SealingWriter, is_sealed
from ubi_stream.zstd import ZstdError, ZstdFile

VERSION: Final = 1
BACKUP: Final = b"UBIBACKUP"
"""Begins every backup."""
_FRAME: Final = Struct(">II")
_MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
"""Many times what is written: a damaged length must not fill the memory."""
_LEVEL: Final = 3  # of Zstandard: a quarter of the size at 200 MB/s; level 9 saves a tenth more and takes four times


class Manifest(msgspec.Struct, frozen=True, tag=True):
    """What the backup is of, to be compared with where it is restored.

    Attributes
    ----------
    epochs
        Source epoch by kind of entity: the lives of the topics that offsets and states speak of.
    types
        Event types that the states are counted by, in order.
    """

    product_version: str
    created: str
    app_id: str
    topic_prefix: str
    pack: str
    pack_version: int
    types: tuple[str, ...]
    partitions: int
    epochs: dict[str, int]


class PartitionStart(msgspec.Struct, frozen=True, tag=True):
    """The lane that the following rows are of.

    Attributes
    ----------
    offsets
        Next offset to be processed, by source topic.
    learned
        Last offset learned from, by source topic.
    """

    entity: str
    partition: int
    offsets: dict[str, int]
    learned: dict[str, int]


class ArchiveRows(msgspec.Struct, frozen=True, tag=True):
    """Keys and values of one table of the lane; `records` says of which: the partition's record, or states."""

    records: bool
    rows: list[tuple[bytes, bytes]]


class End(msgspec.Struct, frozen=True, tag=True):
    """The last frame: the backup is whole."""

    tasks: int
    rows: int
    digest: bytes


Frame = Manifest | PartitionStart | ArchiveRows | End
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Frame).decode


class ArchiveWriter:
    """Writes frames; `archive_writer` makes one."""

    def __init__(self, path: Path, stream: ZstdFile) -> None:
        self._path = path
        self._stream = stream
        self._digest = sha256()
        self._tasks = 0
        self._rows = 0

    def write(self, frame: Manifest | PartitionStart | ArchiveRows) -> None:
        """Append a frame.

        Raises
        ------
        ConfigError
            The place can't be written to.
        """
        self._tasks += isinstance(frame, PartitionStart)
        self._rows += len(frame.rows) if isinstance(frame, ArchiveRows) else 0
        content = _encode(frame)
        self._digest.update(content)
        self._append(content)

    def finish(self) -> End:
        """Append the last frame."""
        end = End(self._tasks, self._rows, self._digest.digest())
        self._append(_encode(end))
        return end

    def _append(self, content: bytes) -> None:
        try:
            self._stream.write(_FRAME.pack(len(content), crc32(content)))
            self._stream.write(content)
        except OSError as error:
            raise _unwritable(self._path, error) from error


@contextmanager
def archive_writer(path: Path, ring: KeyRing = NO_KEYS) -> Iterator[ArchiveWriter]:
    """Write a backup beside its place, and put it there when all of it is on disk; sealed, if the ring has a key.

    What the caller does meanwhile may fail in its own way: an error of the network is an `OSError` too.

    Raises
    ------
    ConfigError
        There is a file already, or the place can't be written to.
    """
    if path.exists():
        raise ConfigError(f"{path} exists: a backup never takes another one's place; give a new name")
    part = path.with_name(path.name + ".part")
    callers: OSError | None = None
    try:
        with part.open("wb") as file:
            sealing = SealingWriter(file, ring, BACKUP) if ring else None
            target = file if sealing is None else cast(BinaryIO, sealing)
            target.write(BACKUP + bytes([VERSION]))
            with ZstdFile(target, "wb", level=_LEVEL) as stream:
                try:
                    yield ArchiveWriter(path, stream)
                except OSError as error:
                    callers = error
                    raise
            if sealing is not None:
                sealing.finish()
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        if error is callers:
            raise
        raise _unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def read_archive(path: Path, ring: KeyRing = NO_KEYS) -> Iterator[Frame]:
    """Frames of a backup in their order, each checked; the last one is the `End`, and it fits.

    One that is sealed is opened with a key of the ring.

    Raises
    ------
    ConfigError
        It is no backup, of another version, sealed under another key, damaged or cut off.
    """
    try:
        with path.open("rb") as file:
            source = cast(BinaryIO, OpeningReader(file, ring, BACKUP)) if _is_sealed(file) else file
            _check_start(path, source.read(len(BACKUP) + 1))
            with ZstdFile(source) as stream:
                yield from _frames(path, stream)
    except SealError as error:
        raise ConfigError(f"{path}: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror or error}") from error
    except (ZstdError, EOFError, msgspec.DecodeError) as error:
        raise _damaged(path, str(error)) from error


def _is_sealed(file: BinaryIO) -> bool:
    start = file.read(len(MAGIC))
    file.seek(0)
    return is_sealed(start)


def _check_start(path: Path, start: bytes) -> None:
    if not start.startswith(BACKUP):
        raise ConfigError(f"{path} is no backup: it does not begin like one")
    if start[len(BACKUP) :] != bytes([VERSION]):
        found = start[len(BACKUP) :].hex()
        raise ConfigError(f"{path} has format {found}, this release reads {VERSION}: use the release that wrote it")


def _frames(path: Path, stream: ZstdFile) -> Iterator[Frame]:
    digest, tasks, rows = sha256(), 0, 0
    while True:
        length, checksum = _FRAME.unpack(_exactly(path, stream, _FRAME.size))
        if length > _MAX_FRAME_BYTES:
            raise _damaged(path, f"a frame of {length} bytes")
        content = _exactly(path, stream, length)
        if crc32(content) != checksum:
            raise _damaged(path, "a frame has another checksum")
        frame = _decode(content)
        if isinstance(frame, End):
            if frame != End(tasks, rows, digest.digest()):
                raise _damaged(path, "its end belongs to other content")
            yield frame
            return
        digest.update(content)
        tasks += isinstance(frame, PartitionStart)
        rows += len(frame.rows) if isinstance(frame, ArchiveRows) else 0
        yield frame


def _exactly(path: Path, stream: ZstdFile, size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = stream.read(size)
        if not part:
            raise _damaged(path, "it is cut off")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{path} can't be written: {error.strerror or error}")


def _damaged(path: Path, why: str) -> ConfigError:
    return ConfigError(f"{path} is damaged ({why}): nothing was restored of it; take another backup")


def _sync_folder(folder: Path) -> None:
    """Make the new name outlive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

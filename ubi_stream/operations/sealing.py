"""Sealed files: opened with any key of the ring, sealed again under its first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ubi_stream.errors import ConfigError
from ubi_stream.operations.archive import BACKUP
from ubi_stream.privacy.keyring import KeyRing, OpeningReader, SealError, SealingWriter, read_key_id

EXPORT: Final = b"UBIEXPORT"
"""Context that exports are sealed for; backups have their own."""
_COPIED_BYTES: Final = 1024 * 1024


def reseal_file(path: Path, ring: KeyRing) -> bool:
    """Seal a file under the first key; False where it is so already. It is replaced as a whole, or stays as it was.

    Raises
    ------
    ConfigError
        It can't be read or written, is not sealed, or under none of the ring's keys.
    """
    part = path.with_name(path.name + ".part")
    try:
        with path.open("rb") as file:
            if read_key_id(file) == ring.first()[0]:
                return False
        context = _context_of(path, ring)
        with path.open("rb") as file, part.open("wb") as target:
            reader, writer = OpeningReader(file, ring, context), SealingWriter(target, ring, context)
            while content := reader.read(_COPIED_BYTES):
                writer.write(content)
            writer.finish()
            target.flush()
            os.fsync(target.fileno())
        part.replace(path)
    except SealError as error:
        raise ConfigError(f"{path}: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} can't be sealed again: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return True


def write_export(path: Path, content: bytes, ring: KeyRing) -> None:
    """Write an export, readable by its owner alone; sealed, if the ring has a key.

    Raises
    ------
    ConfigError
        There is a file already, or the place can't be written to.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(ring.seal(content, EXPORT) if ring else content)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror or error}") from error


def read_export(path: Path, ring: KeyRing) -> bytes:
    """Content of a sealed export.

    Raises
    ------
    ConfigError
        It can't be read, is not sealed, or under none of the ring's keys.
    """
    try:
        return ring.open(path.read_bytes(), EXPORT)
    except SealError as error:
        raise ConfigError(f"{path}: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror or error}") from error


def _context_of(path: Path, ring: KeyRing) -> bytes:
    """What a file is sealed for: the first chunk opens for it alone.

    Raises
    ------
    SealError
        It opens for none: damaged, or the key is not there.
    """
    for context in (BACKUP, EXPORT):
        with path.open("rb") as file:
            try:
                OpeningReader(file, ring, context).read(1)
            except SealError:
                if context == EXPORT:
                    raise
            else:
                return context
    raise AssertionError("the last one returned or raised")

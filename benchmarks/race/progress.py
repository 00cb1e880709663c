"""How far a contestant has come: eight bytes that it writes and that we look at, so that asking costs it nothing."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Final

VARIABLE: Final = "RACE_PROGRESS"
"""Environment variable with the path of a contestant's file."""
_COUNT: Final = struct.Struct("<q")


class Progress:
    """The file, seen from the contestant."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _COUNT.size)
        self._count = 0

    def add(self, events: int = 1) -> None:
        """So many events more went through the core, and what they brought about is with the producer."""
        self._count += events
        _COUNT.pack_into(self._memory, 0, self._count)


def create(path: Path) -> None:
    """Make the file, at zero."""
    path.write_bytes(_COUNT.pack(0))


def read(path: Path) -> int:
    """How many events it says."""
    count: int = _COUNT.unpack(path.read_bytes())[0]
    return count

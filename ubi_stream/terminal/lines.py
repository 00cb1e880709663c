"""JSON Lines to a file or to standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ubi_stream.errors import ConfigError


@contextmanager
def open_lines(path: Path | None) -> Iterator[BinaryIO]:
    """A file for binary lines; None or `-` is standard output, which stays open.

    Raises
    ------
    ConfigError
        The file can't be written.
    """
    if path is None or str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}") from error
    with file:
        yield file

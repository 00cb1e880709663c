"""A worker's folder of states on disk, in RocksDB: for states that memory does not hold."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from rocksdict import BlockBasedOptions, Cache, DBCompressionType, Options, WriteBufferManager

from ubi_stream.clock import Clock
from ubi_stream.errors import ConfigError
from ubi_stream.kafka.rocks_changelog_store import RocksChangelogStore, remove

CACHE_BYTES: Final = 64 * 1024 * 1024
"""Of a worker, for all of its partitions: blocks, indexes and filters. The operating system caches files beside it."""
WRITE_BUFFERS_BYTES: Final = 32 * 1024 * 1024
"""Of a worker, for all of its partitions: what was written last and is in a log file only."""
WRITE_BUFFER_BYTES: Final = 8 * 1024 * 1024
"""Of one partition; RocksDB's own default is 64 MB, which with its copies would come to gigabytes for 16 partitions."""


class RocksFolder:
    """A worker's folder, which no other worker may use at the same time.

    Raises
    ------
    ConfigError
        It can't be written to, or another worker has it.
    """

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root
        self.clock = clock
        self._lock = _locked(root)
        self._cache = Cache(CACHE_BYTES)
        self._buffers = WriteBufferManager.new_write_buffer_manager_with_cache(WRITE_BUFFERS_BYTES, False, self._cache)

    def store(self, table: str, life: str) -> RocksStore:
        """Where a table is; `life` tells one changelog, and one form of its values, from another."""
        return RocksStore(self, self.root / table, life)

    def options(self) -> Options:
        """Of every partition's database."""
        blocks = BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        blocks.set_cache_index_and_filter_blocks(True)  # else they grow with the users, outside of the limit
        blocks.set_bloom_filter(10, False)  # a user who is new is told without a look into the files
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(blocks)
        options.set_compression_type(DBCompressionType.lz4())
        options.set_write_buffer_size(WRITE_BUFFER_BYTES)
        options.set_write_buffer_manager(self._buffers)
        options.set_keep_log_file_num(2)
        return options

    def close(self) -> None:
        """Let another worker have it."""
        os.close(self._lock)


class RocksStore:
    """A table's folder: one database for each partition."""

    def __init__(self, worker: RocksFolder, folder: Path, life: str) -> None:
        self._worker = worker
        self._folder = folder
        self._life = life

    def open(self, partition: int) -> RocksChangelogStore:
        worker = self._worker
        return RocksChangelogStore(self._folder / str(partition), self._life, worker.options(), worker.clock)

    def keep_only(self, partitions: Collection[int]) -> None:
        """Delete what was left of other partitions: it gets old, and users may ask to be forgotten."""
        wanted = {str(partition) for partition in partitions}
        for folder in self._folder.glob("*"):
            if folder.name not in wanted:
                remove(folder)


def _locked(root: Path) -> int:
    """File descriptor of the folder's lock; it goes with the process, however that ends."""
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)  # what users did is in it
        lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"UBI_STATE_DIR: states can't be kept in {root}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise ConfigError(
            f"UBI_STATE_DIR: another worker keeps its states in {root}; each worker needs a folder of its own"
        ) from error
    return lock

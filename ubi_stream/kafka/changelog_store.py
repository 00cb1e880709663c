"""What a changelog comes to: the newest value of each key, by partition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, MutableMapping
from typing import Any, Final, Protocol

from ubi_stream.errors import RecoveryError
from ubi_stream.state.codec import Tombstone

Newer = Callable[[bytes, bytes], bool]
"""Whether the second of two values of a key is at least as new as the first."""

FORGOTTEN: Final = "ubi-forgotten"
"""Header of a tombstone's record: what it is of."""


def value_of(record: Any) -> bytes | Tombstone:
    """What a record of a changelog puts at its key, as aiokafka gives it."""
    if record.value is None:
        return Tombstone(dict(record.headers).get(FORGOTTEN, b""))
    value: bytes = record.value
    return value


class Content(MutableMapping[bytes, bytes], ABC):
    """Encoded values of one partition by key."""

    @abstractmethod
    def resume(self, start: int, end: int) -> int:
        """Offset from which on a changelog that has `start` up to before `end` is to be read into this.

        Where what is here can't be what that changelog had up to one offset, it is forgotten.
        """

    @abstractmethod
    def save(self, count: int) -> Iterator[None]:
        """Put away what was set, so many values at a time, once the changelog has all of them; `commit` follows."""

    @abstractmethod
    def commit(self, offsets: range | None) -> None:
        """Note that the changelog has what was set so far, and at which offsets; None where that is not known."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it; a commit that comes later does nothing."""


class MemoryContent(dict[bytes, bytes], Content):
    """A dictionary: gone with the process, and read back whole."""

    def resume(self, start: int, end: int) -> int:
        self.clear()
        return start

    def save(self, count: int) -> Iterator[None]:
        return iter(())

    def commit(self, offsets: range | None) -> None: ...

    def close(self) -> None: ...


class ChangelogStore(Protocol):
    """Where a table's content is."""

    def open(self, partition: int) -> Content:
        """Content of a partition, as it was left here."""
        ...

    def keep_only(self, partitions: Collection[int]) -> None:
        """Forget what was left of other partitions."""
        ...


class MemoryStore:
    """Content in memory, of which nothing is left."""

    def open(self, partition: int) -> Content:
        return MemoryContent()

    def keep_only(self, partitions: Collection[int]) -> None: ...


class PartitionedContent:
    """Encoded values by key and partition, as a changelog's records come to them.

    Parameters
    ----------
    newer
        Says which of two values of a key stays.
    store
        Where they are.
    """

    def __init__(self, newer: Newer, store: ChangelogStore | None = None) -> None:
        self.newer = newer
        self._content_store = store or MemoryStore()
        self._by_partition: dict[int, Content] = {}

    @property
    def owned(self) -> tuple[int, ...]:
        """Partitions whose content is here."""
        return tuple(self._by_partition)

    def content(self, partition: int) -> Content:
        """Content of a partition; empty where nothing was restored or written yet."""
        if partition not in self._by_partition:
            self._by_partition[partition] = self._content_store.open(partition)
        return self._by_partition[partition]

    def drop(self, partition: int) -> None:
        """Let go of a partition; it may come back."""
        content = self._by_partition.pop(partition, None)
        if content is not None:
            content.close()

    def keep_only(self, partitions: Collection[int]) -> None:
        """Forget partitions that are other workers' now."""
        for partition in set(self._by_partition).difference(partitions):
            self.drop(partition)
        self._content_store.keep_only(partitions)

    def apply(self, partition: int, key: bytes | None, value: bytes | Tombstone) -> None:
        """Take in a record of the changelog. A late write of a worker that had lost the partition does not win.

        Raises
        ------
        RecoveryError
            It has no key, or a value or tombstone that can't be read.
        """
        if key is None:
            raise RecoveryError("the record has no key")
        content = self.content(partition)
        if isinstance(value, Tombstone):
            known = content.get(key)
            if known is not None and (not value.of or self.newer(known, value.of)):
                del content[key]
        elif self.newer(content.get(key, value), value):  # a first value is compared with itself: it must be readable
            content[key] = value

"""What a changelog comes to: the newest value of each key, by partition."""

from __future__ import annotations

from collections.abc import Callable

from ubi_stream.errors import RecoveryError

Newer = Callable[[bytes, bytes], bool]
"""Whether the second of two values of a key is at least as new as the first."""


class PartitionedContent:
    """Encoded values by key and partition, as a changelog's records come to them.

    Parameters
    ----------
    newer
        Says which of two values of a key stays.
    """

    def __init__(self, newer: Newer) -> None:
        self.newer = newer
        self._by_partition: dict[int, dict[bytes, bytes]] = {}

    @property
    def owned(self) -> tuple[int, ...]:
        """Partitions whose content is here."""
        return tuple(self._by_partition)

    def content(self, partition: int) -> dict[bytes, bytes]:
        """Content of a partition; empty where nothing was restored or written yet."""
        return self._by_partition.setdefault(partition, {})

    def drop(self, partition: int) -> None:
        """Forget a partition that is another worker's now."""
        self._by_partition.pop(partition, None)

    def apply(self, partition: int, key: bytes | None, value: bytes | None) -> None:
        """Take in a record of the changelog. A late write of a worker that had lost the partition does not win.

        Raises
        ------
        RecoveryError
            It has no key, or a value that can't be read.
        """
        if key is None:
            raise RecoveryError("the record has no key")
        content = self.content(partition)
        if value is None:
            content.pop(key, None)
            return
        if self.newer(content.get(key, value), value):  # a first value is compared with itself: it must be readable
            content[key] = value

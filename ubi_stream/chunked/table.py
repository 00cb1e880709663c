"""A changelog-backed table whose content is kept by partition, as bytes.

Faust declares it, names its changelog and assigns its partitions. Content comes from our own recovery, and goes to the
changelog at the barrier: see `ubi_stream/chunked/restore.py` and `ubi_stream/runtime/lane.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import faust

from ubi_stream.errors import RecoveryError

Newer = Callable[[bytes, bytes], bool]
"""Whether the second of two values of a key is at least as new as the first."""


class PartitionedTable(faust.Table):
    """Encoded values by key, for each partition that this worker owns."""

    def __init__(self, app: faust.App, *, name: str, partitions: int, newer: Newer) -> None:
        super().__init__(
            app,
            name=name,
            partitions=partitions,
            key_type=bytes,
            value_type=bytes,
            help=f"Values of {name} by partition",
        )
        self.newer = newer
        self._by_partition: dict[int, dict[bytes, bytes]] = {}

    @property
    def owned(self) -> tuple[int, ...]:
        """Partitions whose content is here."""
        return tuple(self._by_partition)

    @property
    def changelog(self) -> str:
        """Name of the changelog topic."""
        name: str = self._changelog_topic_name()
        return name

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

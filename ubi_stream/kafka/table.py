"""A changelog-backed table whose content is kept by partition, as bytes.

Faust declares it, names its changelog and assigns its partitions. Content comes from our own recovery, and goes to the
changelog at the barrier: see `ubi_stream/kafka/restore.py` and `ubi_stream/runtime/partition_task.py`.
"""

from __future__ import annotations

import faust

from ubi_stream.kafka.changelog_store import ChangelogStore, Newer, PartitionedContent


class PartitionedTable(PartitionedContent, faust.Table):
    """Encoded values by key, for each partition that this worker owns."""

    def __init__(
        self, app: faust.App, *, name: str, partitions: int, newer: Newer, store: ChangelogStore | None = None
    ) -> None:
        PartitionedContent.__init__(self, newer, store)
        faust.Table.__init__(
            self,
            app,
            name=name,
            partitions=partitions,
            key_type=bytes,
            value_type=bytes,
            help=f"Values of {name} by partition",
        )

    @property
    def changelog(self) -> str:
        """Name of the changelog topic."""
        name: str = self._changelog_topic_name()
        return name

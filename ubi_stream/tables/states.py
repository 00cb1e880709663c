"""States of one kind of entity: what its own events come to."""

from __future__ import annotations

import faust

from ubi_stream.kafka.changelog_store import ChangelogStore
from ubi_stream.kafka.table import PartitionedTable
from ubi_stream.state.codec import newer_state


def name(entity: str) -> str:
    """Name of the table; its changelog is `<app_id>-<name>-changelog`."""
    return f"{entity}_states"


def declare(app: faust.App, entity: str, partitions: int, store: ChangelogStore | None = None) -> PartitionedTable:
    """Key: entity id. Value: header and state (`ubi_stream/state/codec.py`)."""
    return PartitionedTable(app, name=name(entity), partitions=partitions, newer=newer_state, store=store)

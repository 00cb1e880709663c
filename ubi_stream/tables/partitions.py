"""Records of one kind of entity's partitions: models, memory, and how far each has come."""

from __future__ import annotations

import faust

from ubi_stream.checkpoint import newer_chunk
from ubi_stream.kafka.table import PartitionedTable


def name(entity: str) -> str:
    """Name of the table; its changelog is `<app_id>-<name>-changelog`."""
    return f"{entity}_partitions"


def declare(app: faust.App, entity: str, partitions: int) -> PartitionedTable:
    """Key: entity, partition, slot, piece. Value: a piece of the record (`ubi_stream/checkpoint.py`)."""
    return PartitionedTable(app, name=name(entity), partitions=partitions, newer=newer_chunk)
